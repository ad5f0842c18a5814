"""The users Locust runs in the benchmarks; imported by Locust, in its own environment."""
# mypy: ignore-errors
# Neither Locust nor gevent is installed beside this project, so there are no types to check against.

import gevent
from locust import FastHttpUser, constant, task
from scenarios import PARKED_SECONDS


class Loop(FastHttpUser):
    abstract = True
    wait_time = constant(0)
    insecure = True
    number = 0

    def next_number(self):
        self.number += 1
        return self.number


class Get(Loop):
    @task
    def get(self):
        self.client.get(f"/items/{self.next_number()}", name="/items")


class Capture(Loop):
    @task
    def get(self):
        self.token = self.client.get(f"/json/{self.next_number()}", name="/json").json()["token"]


class Fresh(Loop):
    @task
    def get(self):
        self.client.get(f"/items/{self.next_number()}", name="/items", headers={"Connection": "close"})


class Parked(Loop):
    @task
    def get(self):
        self.client.get("/items/1", name="/items")
        gevent.sleep(PARKED_SECONDS)
