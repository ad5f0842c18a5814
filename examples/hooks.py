"""Functions of the example hooks.yml: plain or async, each takes as many of the documented arguments as it needs."""

import hashlib
import random


def sign(request, context):
    """Before every request: sign its (not yet filled in) url with a secret."""
    secret = context.vars.get("$testId", "")
    request["headers"] = dict(request.get("headers", {}))
    request["headers"]["x-signature"] = hashlib.sha256(f"{secret}{request['url']}".encode()).hexdigest()


def note_size(request, response, context, events):
    """After every response: a histogram of one's own, in the report beside the built-in ones."""
    events.emit("histogram", "shop.body_size", len(response.body))
    if response.statusCode >= 400:
        events.emit("counter", "shop.refused", 1)


async def choose_basket(context, events):
    """Run as a step: variables set here are the user's from now on."""
    context.vars["basket"] = random.sample(range(1, 100), 3)
    events.emit("counter", "shop.baskets", 1)


def has_token(variables):
    """A condition of `ifTrue`."""
    return bool(variables.get("shared_token"))
