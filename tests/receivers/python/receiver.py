"""A receiver that verifies signatures with the published `standardwebhooks` library."""

from standardwebhooks.webhooks import Webhook

import hook_server


def check(server, headers, body):
    return Webhook(server.secret).verify(body, dict(headers.items()))


if __name__ == "__main__":
    hook_server.run(check)
