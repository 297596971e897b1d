"""An interactive, real-time world model that trains and plays on two CPU cores."""

__version__ = "0.1.0"
