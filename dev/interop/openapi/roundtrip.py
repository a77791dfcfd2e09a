"""Bytes through the client that openapi-python-client makes of the document: submitted, worked on, read."""

import io
import os
import random
import sys

from raincheck import Client
from raincheck.api.learn import get_events, get_job, get_result
from raincheck.api.submit import submit_bytes, submit_job
from raincheck.api.work import append_stream, complete, fail, get_lease_input, lease
from raincheck.models import Fail, FailedEvent, FailedJob, Job, LeaseRequest, NewJob, State, SubmitBytesTags, WorkerName
from raincheck.types import File

client = Client(base_url=sys.argv[1])
# Every byte there is, and many that are no text.
sent = bytes(range(256)) + random.Random(int.from_bytes(os.urandom(8), "big")).randbytes(100_000)


def file(data):
    return File(payload=io.BytesIO(data))


def take(kind):
    asked = LeaseRequest(worker=WorkerName(name="roundtrip"), kinds=[kind], wait=20)
    answer = lease.sync(client=client, body=asked)
    return answer.leases[0]


tags = SubmitBytesTags()
tags["tag.by"] = "python"
job = submit_bytes.sync("bytes.python", client=client, body=file(sent), timeout="90s", tags=tags)
assert isinstance(job, Job), job
assert job.state is State.QUEUED and job.tags["by"] == "python" and job.tags.additional_keys == ["by"]
work = take("bytes.python")
got = get_lease_input.sync(work.lease, client=client).payload.read()
assert got == sent, "the worker gets other bytes"
append_stream.sync(work.lease, client=client, body=file(got[:1000]))
ended = complete.sync(work.lease, client=client, body=file(got))
assert ended.state is State.SUCCEEDED, ended
assert get_result.sync(job.id, client=client).payload.read() == sent, "the result has other bytes"

job = submit_job.sync(client=client, body=NewJob(kind="fails.python", timeout=90, max_losses=0))
fail.sync(take("fails.python").lease, client=client, body=Fail(retryable=False))
failed = get_job.sync(job.id, client=client)
assert isinstance(failed, FailedJob) and failed.state is State.FAILED and failed.id == job.id, failed
page = get_events.sync(client=client, after="0")
last = [event for event in page.items if event.job == job.id][-1]
assert isinstance(last, FailedEvent) and last.data.problem.title, last
