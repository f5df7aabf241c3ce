"""Herald's own programs against the API server: what is shipped works there,
with the rights that are shipped and no others."""

SERVICE_ACCOUNTS = {"controller": "herald-system:herald-controller",
                    "speaker": "herald-system:herald-speaker"}


def run(suite, test):
    pass
