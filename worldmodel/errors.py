"""The one error that a user can cause: a sentence with what was expected, found and to do."""


class UserError(ValueError):
    """Raised for bad input; the command line and the page show its sentence and nothing else."""
