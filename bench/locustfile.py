"""The users Locust runs in the benchmarks, a class for each scenario; imported by Locust, in its own environment."""
# mypy: ignore-errors
# Neither Locust nor gevent is installed beside this project, so there are no types to check against.

import gevent
from locust import FastHttpUser, constant, task
from scenarios import LARGE, PARKED_SECONDS, SCENARIOS

BODY = LARGE * b"u"


class Loop(FastHttpUser):
    abstract = True
    wait_time = constant(0)
    insecure = True
    number = 0

    @task
    def repeat(self):
        scenario = self.scenario
        self.number += 1
        number = self.number if scenario.requests == 1 else self.number % scenario.requests + 1
        url = f"{scenario.folder}/{number}"
        options = {"name": url if scenario.named else scenario.folder}
        if scenario.fresh:
            options["headers"] = {"Connection": "close"}
        if scenario.upload:
            self.client.post(url, data=BODY, **options)
        elif scenario.expect:
            with self.client.get(url, catch_response=True, **options) as response:
                right = response.status_code == 200 and response.headers["content-type"] == "application/json"
                if not right or "token" not in response.json():
                    response.failure("not what was expected")
                self.token = response.json()["token"]
        elif scenario.capture:
            self.token = self.client.get(url, **options).json()["token"]
        else:
            self.client.get(url, **options)


class Parked(FastHttpUser):
    insecure = True

    @task
    def get(self):
        self.client.get("/items/1", name="/items")
        gevent.sleep(PARKED_SECONDS)


globals().update({each.key: type(each.key, (Loop,), {"scenario": each}) for each in SCENARIOS})
