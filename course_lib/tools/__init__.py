"""What runs the course: the command line, the runner, the book, the audit, export, fine-tuning.

``cli`` names the commands, and is the first file to open. No lesson is in here, and nothing of the
library that lessons import depends on it.
"""
