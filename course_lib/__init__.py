"""The small library behind the course: read it in an evening, each file after those it uses.

``datasets``   a name or a folder → a list of photos and classes
``progress``   bars that people see and saved notebooks do not
``devices``    where to compute, and in which numbers
``on_device``  batches cut on a GPU
``loaders``    photos → batches
``models``     a backbone and a head
``training``   one loop; predict, evaluate, extract features
``styles``     photos of another kind: a second domain
``features``   frozen features, kept; a head trained on them
``report``     repeated runs, means and spreads, tables, verdicts
``plots``      figures

``checks`` holds the exercises that answer; ``tools`` runs the course, and no lesson is in there.
"""
