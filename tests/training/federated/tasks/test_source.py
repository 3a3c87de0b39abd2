"""Tests of the synthetic source and its two shifts."""

import numpy as np

from training.federated.dice import dice
from training.federated.tasks import source, synthetic

X, SUBJECTS = source.texts(6000, dice(0, "test"))
Y = source.sums(SUBJECTS)


def test_texts_begin_with_1_and_are_words_of_the_language() -> None:
    """Nothing is padded."""
    assert (6000, source.TOKENS) == X.shape
    assert {1} == set(X[:, 0].tolist())
    assert set(range(source.FIRST_WORD, source.VOCABULARY)) == set(X[:, 1:].ravel().tolist())


def test_the_likeliest_class_is_nearly_always_the_right_one() -> None:
    """Of both kinds of classes; 97.4 % was measured."""
    other = source.likeliest(X, counts_as=source.OTHER)
    assert 0.965 < (source.likeliest(X) == Y).mean() < 0.98
    assert 0.965 < (other == source.other_sums(SUBJECTS)).mean() < 0.98


def test_no_weighing_of_words_tells_the_class() -> None:
    """A linear classifier on counts of words, fitted to 4,000 texts, is at chance on the rest."""
    counts = np.stack([np.bincount(row, minlength=source.VOCABULARY) for row in X]).astype(float)
    wanted = np.eye(source.CLASSES)[Y]
    weights = np.linalg.lstsq(counts[:4000], wanted[:4000], rcond=None)[0]
    accuracy = ((counts[4000:] @ weights).argmax(1) == Y[4000:]).mean()
    assert 0.20 < accuracy < 0.30


def test_what_was_learnt_is_half_right_about_tokens_and_at_chance_about_labels() -> None:
    """The best classifier of the source, asked about the shifted tasks."""
    tokens, labels = synthetic.tokens(), synthetic.labels()
    assert 0.4 < (source.likeliest(tokens.test.x) == tokens.test.y).mean() < 0.6
    assert 0.2 < (source.likeliest(labels.test.x) == labels.test.y).mean() < 0.35
    best = source.likeliest(labels.test.x, counts_as=source.OTHER)
    assert 0.95 < (best == labels.test.y).mean()


def test_renamed_classes_are_known_by_their_old_names() -> None:
    """The best classifier of the source tells them, one off."""
    task = synthetic.renamed()
    old = (source.likeliest(task.test.x) + 1) % source.CLASSES
    assert 0.95 < (old == task.test.y).mean()
