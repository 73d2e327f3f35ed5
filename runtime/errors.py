"""What the rooms of runtime raise for the person at the keyboard: one clear line each.

CommandError       what is wrong, where, and what to do about it; exit code 1
└── UsageError     the command line itself asks for something impossible; exit code 2
"""


class CommandError(Exception):
    """A command can't be carried out; its text is one line that a person can act on."""


class UsageError(CommandError):
    """An option or argument that can't be meant."""
