"""A receiver of the older kind: it compares the API key and reads the name and data of the event, no more."""

import json

import hook_server


def check(server, headers, body):
    if not server.has_api_key(headers):
        raise PermissionError("X-API-Key does not match")
    event = json.loads(body)
    return {"event_name": event["event_name"], "event_data": event["event_data"]}


if __name__ == "__main__":
    hook_server.run(check)
