"""What Sphinx is to make of the book: `course_lib.tools.book` names this folder as its own."""

project = "Transfer learning, hands on"
html_show_copyright = False
html_show_sphinx = False
html_theme = "sphinx_book_theme"
html_theme_options = {
    "footer_content_items": [],
    "navbar_persistent": [],  # the sidebar has a search field already
    "show_toc_level": 2,
    "use_fullscreen_button": False,
}
html_static_path = ["book.css", "book.js"]
html_css_files, html_js_files = ["book.css"], ["book.js"]
html_math_renderer = "mathml"
extensions = ["myst_nb", "sphinx_copybutton", "course_lib.tools.book"]
nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "gfm"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
copybutton_selector = ":not(.output) > div.highlight > pre"
