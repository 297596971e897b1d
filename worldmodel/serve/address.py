"""Where the server listens, checked before anything slow is started."""

import socket

from worldmodel.errors import UserError


def free_port(host: str, port: int) -> int:
    """`port`, or some free one for 0; UserError when nothing can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise UserError(
                f"Port {port} on {host} cannot be used ({error}); "
                "choose another with --port, or end the program that has it."
            ) from None
        return probe.getsockname()[1]
