"""The small library behind the course: read it in an evening, use it in every lesson.

Modules, each importing only those above it: ``paths``, ``progress``, ``require``, ``download``,
``datasets``, ``loaders``, ``audit``, ``models``, ``checkpoint``, ``training``, ``export``,
``styles``, ``features``, ``report``, ``experiments``, ``plots``, ``environment``, ``pages``,
``runner``; and ``checks``, the exercises that answer.
"""
