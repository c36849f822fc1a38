"""The small library behind the course: read it in an evening, in this order.

``datasets``   a name or a folder → a list of photos and classes
``loaders``    photos → batches
``on_device``  the same, on a GPU
``models``     a backbone and a head
``devices``    where to compute, and in which numbers
``training``   one loop; predict, evaluate, extract features
``styles``     photos of another kind: a second domain
``features``   frozen features, kept; a head trained on them
``report``     repeated runs, means and spreads, tables, verdicts
``plots``      figures
``progress``   bars that people see and saved notebooks do not

``checks`` holds the exercises that answer; ``tools`` runs the course, and no lesson is in there.
"""
