"""Ceilings that no setting moves: each bounds what one request can make us do. Plans hold what differs by caller."""

from __future__ import annotations

from typing import Final

__all__ = [
    "API_KEYS_MAX",
    "API_KEY_NAME_LENGTH_MAX",
    "API_KEY_NETWORKS_MAX",
    "ATTEMPT_BYTES",
    "ATTEMPT_VALUES",
    "BATCHES_UNFINISHED_MAX",
    "BATCH_BLOCK_ITEMS",
    "BATCH_CHUNK_ITEMS",
    "BATCH_FIRST_ITEMS_S_MAX",
    "BATCH_IMAGES_MAX",
    "BATCH_ITEMS_MAX",
    "BATCH_ITEM_BYTES_MAX",
    "BATCH_LINES_MAX",
    "BATCH_LINE_BYTES_MAX",
    "BATCH_OUTPUT_BYTES_MAX",
    "BATCH_QUEUED_ITEMS_MAX",
    "BATCH_READS_AT_ONCE_MAX",
    "BATCH_RESULT_BYTES_MAX",
    "BODY_DISCARD_BYTES_MAX",
    "BODY_IDLE_S",
    "BODY_S",
    "BODY_SMALL_BYTES_MAX",
    "BYTES_IN_FLIGHT_SHARES",
    "CACHED_CALLERS_MAX",
    "CACHED_CALLER_S",
    "COMPARED_BYTES_MAX",
    "COMPARED_MAX",
    "COMPARED_MIN",
    "COMPARISONS_MAX",
    "DEADLINE_S_MAX",
    "DETAIL_LENGTH_MAX",
    "EMAIL_LENGTH_MAX",
    "FAILED_CREDENTIALS_FREE",
    "FAILED_CREDENTIALS_MAX",
    "FAILED_CREDENTIALS_PAUSE_S",
    "FAILED_CREDENTIALS_S",
    "FAILING_LOOK_UPS_MAX",
    "FAILING_PAUSES_MAX",
    "FAILING_SENDERS_MAX",
    "FAIRNESS_KEY_LENGTH_MAX",
    "FLEET_SERVERS_MAX",
    "FORM_BYTES_MAX",
    "FORM_VALUES_MAX",
    "GRAPH_BYTES_MAX",
    "GRAPH_VALUES_MAX",
    "HEADERS_BYTES_MAX",
    "HEADERS_MAX",
    "HEADERS_S",
    "JOB_INPUT_BYTES_MAX",
    "JOB_OUTPUT_BYTES_MAX",
    "JSON_DEPTH_MAX",
    "JSON_VALUES_MAX",
    "LAST_USED_S",
    "METADATA_BYTES_MAX",
    "METADATA_MEMBERS_MAX",
    "NODE_CHOICES_BYTES_MAX",
    "NODE_CLASSES_MAX",
    "NODE_CLASS_BYTES_MAX",
    "OBJECT_INFO_BYTES_MAX",
    "OCR_PAGES_MAX",
    "ORDER_BYTES_MAX",
    "ORDER_VALUES_MAX",
    "OVERLAP_S",
    "OVERLAP_S_MAX",
    "PAGE_BYTES_MAX",
    "PAGE_SIZE",
    "PAGE_SIZE_MAX",
    "PIPELINED_REQUESTS_MAX",
    "PIXELS_MAX",
    "PLANS_MAX",
    "PRIORITY_MAX",
    "PROMPT_RECORD_BYTES_MAX",
    "READ_BYTES_MAX",
    "SCHEDULE_S_MAX",
    "SERVER_SLOTS_MAX",
    "SINGLE_PUT_BYTES_MAX",
    "SLOW_READER_S",
    "SOCKET_BYTES_MAX",
    "SOCKET_BYTES_PER_S",
    "SOCKET_MESSAGE_BYTES_MAX",
    "STORE_FULL_SHARE",
    "STREAMS_PER_API_KEY_MAX",
    "TRAILERS_BYTES_MAX",
    "UPLOAD_PARTS_MAX",
    "UPLOAD_PART_BYTES_MIN",
    "VALIDATION_ERRORS_MAX",
    "VARIANT_NAME_LENGTH_MAX",
    "WEBHOOKS_MAX",
    "WEBHOOK_DESCRIPTION_LENGTH_MAX",
    "WEBHOOK_OVERLAP_S",
    "WEBHOOK_TOKEN_LENGTH_MAX",
    "WORKFLOWS_MAX",
    "WORKFLOW_BYTES_MAX",
    "WORKFLOW_CHOICES_MAX",
    "WORKFLOW_NAME_LENGTH_MAX",
    "WORKFLOW_NODES_MAX",
    "WORKFLOW_NODE_INPUTS_MAX",
    "WORKFLOW_PARAMETERS_MAX",
    "WORKFLOW_TEXT_LENGTH_MAX",
    "WORKFLOW_TIMEOUT_S_MAX",
    "WORKFLOW_UNITS_MAX",
    "WORKFLOW_UPLOADS_MAX",
    "WORKFLOW_VALUES_BYTES_MAX",
    "WORKFLOW_VERSIONS_MAX",
]

#: Request line and headers together; past it 431.
HEADERS_BYTES_MAX: Final = 32 * 1024
#: Headers of one request; a small one takes many times its text in memory.
HEADERS_MAX: Final = 100
#: What a chunked body may have beside chunks: extensions, and trailers behind it, which nobody sees.
TRAILERS_BYTES_MAX: Final = 8 * 1024
#: Requests that wait on one connection behind the one that is under way.
PIPELINED_REQUESTS_MAX: Final = 16
#: How long a client may take to send its headers; past it the connection is closed.
HEADERS_S: Final = 10.0
#: How long a body may pause while it arrives; past it 408.
BODY_IDLE_S: Final = 15.0
#: How much of a body that is too large is read and dropped, so that its sender gets to read the 413.
BODY_DISCARD_BYTES_MAX: Final = 32 * 1024 * 1024
#: A body that is read, parsed and checked in one go, and never refused for what is under way already: it is gone as
#: soon as it is there. A larger one is looked through in slices.
BODY_SMALL_BYTES_MAX: Final = 16 * 1024
#: Shares that BYTES_IN_FLIGHT_MAX has; one user, or one address that we do not know, gets one of them.
BYTES_IN_FLIGHT_SHARES: Final = 4
#: Nested objects and arrays in a JSON body.
JSON_DEPTH_MAX: Final = 32
#: Members and elements in a JSON body, whatever takes it: a small value takes many times its text in memory.
JSON_VALUES_MAX: Final = 500_000
#: A body that names a few things of a known shape: a key, a user, a plan, an upload, a webhook.
FORM_BYTES_MAX: Final = 64 * 1024
FORM_VALUES_MAX: Final = 1_000
#: A job of a kind that says nothing else of itself.
ORDER_BYTES_MAX: Final = 1024 * 1024
ORDER_VALUES_MAX: Final = 10_000
#: A body with a graph: 200 nodes with all the inputs they may have, each a link, and each character escaped.
GRAPH_BYTES_MAX: Final = 2 * 1024 * 1024
GRAPH_VALUES_MAX: Final = 50_000

#: A refused submission costs one attempt, and one more for so many bytes and for so many values that were read of it.
ATTEMPT_BYTES: Final = 256 * 1024
ATTEMPT_VALUES: Final = 5_000

#: Errors told of one body, and how long a text of ours that quotes the client may get.
VALIDATION_ERRORS_MAX: Final = 50
DETAIL_LENGTH_MAX: Final = 500

#: Entries on a page: when nobody says, and at most.
PAGE_SIZE: Final = 20
PAGE_SIZE_MAX: Final = 100
#: What the entries of a page may take as they are stored: past it the page ends early, and the cursor goes on.
PAGE_BYTES_MAX: Final = 1024 * 1024
#: What is read of Redis at a time where many records are; a larger one comes alone.
READ_BYTES_MAX: Final = 1024 * 1024

#: How much of its `maxmemory` Redis may use before submissions are refused: the rest is for what ends and frees.
STORE_FULL_SHARE: Final = 0.9

#: Callers that a process remembers, and for how long: as long as a revocation may take where its message was lost.
CACHED_CALLERS_MAX: Final = 10_000
CACHED_CALLER_S: Final = 5.0

#: API keys of one user that are not forgotten yet; a change to the user looks at each.
API_KEYS_MAX: Final = 1_000
API_KEY_NAME_LENGTH_MAX: Final = 100
#: Networks that an API key may be bound to.
API_KEY_NETWORKS_MAX: Final = 20
#: How long a rotated API key and its successor are both good: when nobody says, and at most.
OVERLAP_S: Final = 86_400
OVERLAP_S_MAX: Final = 7 * 86_400
#: How much the time at which an API key was last used may be off.
LAST_USED_S: Final = 2.0
#: Failed credentials of one address within that time; past it the answer to another one is 429.
FAILED_CREDENTIALS_MAX: Final = 20
FAILED_CREDENTIALS_S: Final = 60
#: How many of them are answered at once; from then on each answer waits longer, up to that long.
FAILED_CREDENTIALS_FREE: Final = 5
FAILED_CREDENTIALS_PAUSE_S: Final = 0.25
#: Failing addresses that a process remembers, and answers to one of them that wait at the same time.
FAILING_SENDERS_MAX: Final = 10_000
FAILING_PAUSES_MAX: Final = 10
#: Keys that failing addresses show, looked up at the same time; of one address one after the other.
FAILING_LOOK_UPS_MAX: Final = 8
#: Plans that an admin has made or changed.
PLANS_MAX: Final = 100
#: RFC 5321, 4.5.3.1.3: a path has at most 256 octets, of which two are brackets.
EMAIL_LENGTH_MAX: Final = 254

#: The largest picture that is ever decoded: 25 megapixels.
PIXELS_MAX: Final = 25_000_000

#: Variants of one comparison, and how long their names may be.
COMPARED_MIN: Final = 2
COMPARED_MAX: Final = 5
VARIANT_NAME_LENGTH_MAX: Final = 100
#: What the variants of one comparison change, as JSON and together; and the comparisons of one user that are kept.
COMPARED_BYTES_MAX: Final = 16 * 1024
COMPARISONS_MAX: Final = 10_000

#: A job's priority among its user's own, either way of 0.
PRIORITY_MAX: Final = 10
#: How long a job may wait, and how far ahead it may be scheduled.
DEADLINE_S_MAX: Final = 7 * 86_400
SCHEDULE_S_MAX: Final = 30 * 86_400
FAIRNESS_KEY_LENGTH_MAX: Final = 255
METADATA_MEMBERS_MAX: Final = 50
#: Metadata as JSON, of a job, an item or a batch.
METADATA_BYTES_MAX: Final = 16 * 1024
#: A job's input as it is stored, as JSON: what is larger is a file, and is uploaded. A graph alone may have
#: WORKFLOW_BYTES_MAX.
JOB_INPUT_BYTES_MAX: Final = 320 * 1024
#: What a job leaves in its record, as JSON: what is larger is an artifact.
JOB_OUTPUT_BYTES_MAX: Final = 4 * 1024 * 1024
#: How long a reader may take nothing of what it is sent; past it the connection is cut.
SLOW_READER_S: Final = 15.0
#: How long a body may take to arrive in all; past it 408.
BODY_S: Final = 120.0
#: A message that a socket's client sends: there is nothing to say, so this bounds what is read and dropped.
SOCKET_MESSAGE_BYTES_MAX: Final = 1_024
#: What a socket's client may send at once, frames of every kind together, and how much more each second.
SOCKET_BYTES_MAX: Final = 16 * 1024
SOCKET_BYTES_PER_S: Final = 1_024
#: Event streams that one API key may have open, over all processes.
STREAMS_PER_API_KEY_MAX: Final = 10

#: Servers of the fleet, and prompts that one of them is given at once.
FLEET_SERVERS_MAX: Final = 200
SERVER_SLOTS_MAX: Final = 100

#: Nodes of a graph, inputs of a node, characters of a text that an input is given, and of any name in a graph.
WORKFLOW_NODES_MAX: Final = 200
WORKFLOW_NODE_INPUTS_MAX: Final = 256
WORKFLOW_TEXT_LENGTH_MAX: Final = 65_536
WORKFLOW_NAME_LENGTH_MAX: Final = 128

#: Items of a batch, and images of `POST /api/v1/batch`.
BATCH_ITEMS_MAX: Final = 50_000
BATCH_IMAGES_MAX: Final = 100
#: Lines of a batch's input file, empty ones among them.
BATCH_LINES_MAX: Final = 100_000
#: A line of a batch's input file, and an item as it is stored: JSON, in bytes.
BATCH_LINE_BYTES_MAX: Final = 64 * 1024
BATCH_ITEM_BYTES_MAX: Final = 64 * 1024
#: Items of a batch in one object.
BATCH_BLOCK_ITEMS: Final = 250
#: Items that one script makes jobs of: what it costs is what another's command waits at most.
BATCH_CHUNK_ITEMS: Final = 50
#: Items of one batch that are jobs and wait to be started; the others lie in the object store.
BATCH_QUEUED_ITEMS_MAX: Final = 1_000
#: An item's output in a list of items; a larger one stands in the job and in the results.
BATCH_OUTPUT_BYTES_MAX: Final = 4 * 1024
#: An item's output in the results of its batch; a larger one stands in its job alone.
BATCH_RESULT_BYTES_MAX: Final = 256 * 1024
#: Batches of one user that are not finished.
BATCHES_UNFINISHED_MAX: Final = 100
#: Batches whose items one API process reads at the same time; others wait their turn.
BATCH_READS_AT_ONCE_MAX: Final = 2
#: How long a submission waits for the first items to become jobs, whose files may have to be copied; a worker goes on.
BATCH_FIRST_ITEMS_S_MAX: Final = 5

#: What a ComfyUI may say of its node classes, those of them that are published, and the bytes of one as JSON.
OBJECT_INFO_BYTES_MAX: Final = 512 * 1024 * 1024
NODE_CLASSES_MAX: Final = 10_000
NODE_CLASS_BYTES_MAX: Final = 256 * 1024
#: What a ComfyUI may say of one prompt, all that its nodes tell included.
PROMPT_RECORD_BYTES_MAX: Final = 128 * 1024 * 1024
#: Long lists of choices of a backend, apart from the classes and each once, as JSON and all together.
NODE_CHOICES_BYTES_MAX: Final = 64 * 1024 * 1024
#: Registered workflows, and the versions of one that can be ordered.
WORKFLOWS_MAX: Final = 1_000
WORKFLOW_VERSIONS_MAX: Final = 100
#: A workflow as JSON, its parameters, the choices of one, and the units that a job of it may cost.
WORKFLOW_BYTES_MAX: Final = 256 * 1024
WORKFLOW_PARAMETERS_MAX: Final = 64
WORKFLOW_CHOICES_MAX: Final = 200
WORKFLOW_UNITS_MAX: Final = 1_000
#: How long one attempt at a workflow may take in all, where the workflow says so itself.
WORKFLOW_TIMEOUT_S_MAX: Final = 86_400
#: What nodes tell that is no file, as JSON in a job's output; what is more is for a file.
WORKFLOW_VALUES_BYTES_MAX: Final = 64 * 1024
#: Uploads that one job of a workflow may read.
WORKFLOW_UPLOADS_MAX: Final = 8

#: What S3 takes in one PUT; larger files are sent in parts.
SINGLE_PUT_BYTES_MAX: Final = 5 * 2**30
#: Parts of one upload, as many as an S3 server lists at once; and the size of a part, where that makes no more of them.
UPLOAD_PARTS_MAX: Final = 1_000
UPLOAD_PART_BYTES_MIN: Final = 8 * 2**20

#: Pages of one file that are read; each is a unit.
OCR_PAGES_MAX: Final = 100
#: Webhook endpoints of one user: each change of a job's status may be a delivery to all of them.
WEBHOOKS_MAX: Final = 10
WEBHOOK_DESCRIPTION_LENGTH_MAX: Final = 200
#: Characters of a bearer token that a receiver wants to see.
WEBHOOK_TOKEN_LENGTH_MAX: Final = 1_024
#: How long a delivery is signed with a rotated secret and its successor both.
WEBHOOK_OVERLAP_S: Final = 86_400
