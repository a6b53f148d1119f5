"""A creation is found again in the list by what was sent, and taken for no other."""

from __future__ import annotations

from dataclasses import replace

from libs.backends.prediction.order import Order, new_marker
from libs.backends.prediction.prediction import Prediction

JOB = "job_01jd3f8x5e0000000000000000"
ADDRESS = "https://pictures.example.com/a.png?size=1"


def listed(order: Order, model: str = "a/b") -> Prediction:
    return Prediction("p1", "starting", input=order.input, model=model)


def test_an_address_bears_the_marker_where_nobody_sends_it() -> None:
    marked = Order("a/b", {"image": ADDRESS + "#top", "more": [ADDRESS, "words"], "n": 1}).marked("m1")
    assert marked.input == {"image": f"{ADDRESS}#arqade-m1", "more": [f"{ADDRESS}#arqade-m1", "words"], "n": 1}


def test_a_marked_order_is_found_though_its_address_was_signed_anew() -> None:
    first = Order("a/b", {"image": ADDRESS}).marked(new_marker(JOB, 1))
    again = Order("a/b", {"image": ADDRESS + "&signature=2"}).marked(new_marker(JOB, 1))
    assert again.is_of(listed(first))


def test_neither_another_jobs_nor_another_number_is_taken_for_it() -> None:
    order = Order("a/b", {"image": ADDRESS})
    mine = order.marked(new_marker(JOB, 1))
    for other in (new_marker(JOB, 2), new_marker(JOB[:-1] + "1", 1)):
        assert not mine.is_of(listed(order.marked(other)))
    assert not mine.is_of(listed(order))


def test_without_an_address_equal_inputs_of_one_model_will_do() -> None:
    order = Order("a/b:" + "0" * 64, {"prompt": "a cat"}).marked("m1")
    assert order.is_of(listed(order))
    assert order.is_of(listed(order, model=""))
    assert not order.is_of(listed(order, model="a/c"))
    assert not order.is_of(listed(replace(order, input={"prompt": "a dog"})))
    assert not order.is_of(listed(Order("a/b", {"prompt": "a cat", "image": ADDRESS})))


def test_a_marker_does_not_tell_the_job() -> None:
    assert JOB not in new_marker(JOB, 1)
    assert new_marker(JOB, 1) != new_marker(JOB, 2)
