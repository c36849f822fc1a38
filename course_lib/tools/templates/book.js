// What scrolls sideways can be reached by keyboard; what does not is no stop on the way.
const reach = () => document.querySelectorAll(".bd-article .cell_output").forEach((output) => {
  if (output.scrollWidth > output.clientWidth) output.setAttribute("tabindex", "0");
  else output.removeAttribute("tabindex");
});
for (const moment of ["load", "resize"]) addEventListener(moment, reach);
