"""Tests of the Caffe writer: OpenCV, which has a reader of its own, runs what was written."""

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npu_runtime.convert.caffe import caffemodel, prototxt
from npu_runtime.layers import Layer, LayeredNetwork, layered_network
from npu_runtime.policy_file import PolicyFile


def reader_of(network: LayeredNetwork, batch: int) -> Callable[[np.ndarray], np.ndarray]:
    """What the written network computes of one batch of scaled rows, says OpenCV."""
    text = np.frombuffer(prototxt(network, batch).encode(), np.uint8)
    weights = np.frombuffer(caffemodel(network, batch), np.uint8)
    read = cv2.dnn.readNetFromCaffe(text, weights)

    def scores(scaled: np.ndarray) -> np.ndarray:
        read.setInput(scaled.reshape(batch, -1, 1, 1))
        return np.array(read.forward())

    return scores


def off(expected: np.ndarray, found: np.ndarray) -> float:
    """The largest difference, as a share of the range of the right scores."""
    return float(np.abs(found - expected).max() / (np.ptp(expected) or 1.0))


def test_an_independent_reader_computes_what_the_policy_computes(
    shipped: PolicyFile, rows: np.ndarray
) -> None:
    """All shipped policies, on rows that a batch of nine is filled with again and again."""
    network = layered_network(shipped)
    read = reader_of(network, batch=9)
    scaled = network.normalised(rows[:36])
    found = np.concatenate([read(piece) for piece in np.split(scaled, 4)])
    assert (36, network.outputs) == found.shape
    assert off(network.scores(scaled), found) < 1e-4


@st.composite
def networks(draw: st.DrawFn) -> LayeredNetwork:
    """Any number of layers of any width, with a ReLU behind any of them."""
    widths = draw(st.lists(st.integers(1, 40), min_size=2, max_size=6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    layers = tuple(
        Layer(normal(inputs, outputs), normal(outputs), relu=draw(st.booleans()))
        for inputs, outputs in pairwise(widths)
    )
    return LayeredNetwork(np.zeros(widths[0], "f4"), np.ones(widths[0], "f4"), layers)


@settings(max_examples=40, deadline=None)
@given(network=networks(), batch=st.integers(1, 17))
def test_networks_of_any_shape_are_read_as_they_were_meant(
    network: LayeredNetwork, batch: int
) -> None:
    """Also one layer alone, a single column, and a ReLU at the very end."""
    scaled = np.random.default_rng(batch).normal(size=(batch, network.width)).astype(np.float32)
    expected = network.scores(scaled)
    found = reader_of(network, batch)(scaled).reshape(expected.shape)
    assert found == pytest.approx(expected, abs=1e-4 * max(1.0, float(np.abs(expected).max())))


def test_a_wrong_weight_shows(shipped: PolicyFile, rows: np.ndarray) -> None:
    """Otherwise the tests above would prove nothing."""
    network = layered_network(shipped)
    weight = network.layers[0].weight.copy()
    weight[0, 0] += 0.5
    altered = LayeredNetwork(
        network.mean,
        network.std,
        (Layer(weight, network.layers[0].bias, relu=True), *network.layers[1:]),
    )
    scaled = network.normalised(rows[:9])
    assert off(network.scores(scaled), reader_of(altered, 9)(scaled)) > 1e-4


def test_the_prototxt_says_what_goes_in_and_how_much(shipped: PolicyFile) -> None:
    """Four dimensions, as vendors of NPUs want them, and as many outputs as the policy has."""
    network = layered_network(shipped)
    text = prototxt(network, 16)
    assert f"dim: 16 dim: {network.width} dim: 1 dim: 1" in text
    assert f"num_output: {network.outputs} " in text
    assert len(network.layers) == text.count('"InnerProduct"')


def test_the_same_network_gives_the_same_bytes(shipped: PolicyFile) -> None:
    """So that a sidecar's digest can be checked by converting again."""
    network = layered_network(shipped)
    assert caffemodel(network, 9) == caffemodel(layered_network(shipped), 9)


@pytest.mark.parametrize("batch", [1, 9, 300])
def test_the_caffemodel_holds_the_weights_and_little_else(shipped: PolicyFile, batch: int) -> None:
    """Names and shapes take some forty bytes a layer."""
    network = layered_network(shipped)
    numbers = sum(layer.weight.size + layer.bias.size for layer in network.layers)
    assert 4 * numbers < len(caffemodel(network, batch)) < 4 * numbers + 1000
