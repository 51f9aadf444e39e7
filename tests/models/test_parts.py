"""Momentum encoder, queue and projector."""

import copy

import pytest
import torch
from torch import nn

from instdisc.models import Backbone, FeatureQueue, MomentumEncoder, Projector


class TestMomentumEncoder:
    def test_follows_its_rule_and_lightly(self):
        from lightly.models.utils import update_momentum

        encoder = Backbone("test_resnet")
        slow = MomentumEncoder(encoder, 0.99)
        reference = copy.deepcopy(slow.module)
        with torch.no_grad():
            for parameter in encoder.parameters():
                parameter.add_(torch.randn_like(parameter))
        for _ in range(3):
            slow.update(encoder)
            update_momentum(encoder, reference, 0.99)
        for ours, theirs in zip(slow.module.parameters(), reference.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs)

    def test_is_frozen_and_keeps_its_own_statistics(self):
        encoder = Backbone("test_resnet")
        slow = MomentumEncoder(encoder)
        assert not any(parameter.requires_grad for parameter in slow.parameters())
        assert not slow(torch.randn(2, 3, 32, 32)).requires_grad
        mean = slow.module.net.bn1.running_mean if hasattr(slow.module.net, "bn1") else None
        if mean is not None:
            before = mean.clone()
            slow.update(encoder)
            assert torch.equal(before, mean)

    def test_what_is_shared_moves_once(self):
        shared = nn.Linear(2, 2)
        tied = nn.Linear(2, 2)
        tied.weight = shared.weight
        encoder = nn.Sequential(shared, nn.Sequential(shared, nn.ReLU()), tied)
        encoder.register_module("nothing", None)
        encoder.register_parameter("none", None)
        slow = MomentumEncoder(encoder, 0.9)
        with torch.no_grad():
            for parameter in slow.module.parameters():
                parameter.zero_()
        slow.update(encoder)
        pairs = zip(slow.module.parameters(), encoder.parameters(), strict=True)
        for ours, its in pairs:
            torch.testing.assert_close(ours, 0.1 * its)

    @pytest.mark.parametrize("momentum", [-0.1, 1.0])
    def test_bad_momentum(self, momentum):
        with pytest.raises(
            ValueError, match="`momentum` must be a finite number of at least 0 and below 1, got"
        ):
            MomentumEncoder(nn.Linear(1, 1), momentum)


class TestFeatureQueue:
    @pytest.mark.parametrize("sizes", [[4, 4, 4], [3, 3, 3, 3, 3], [10], [7, 5], [23], [1] * 12])
    def test_holds_the_last_k_in_step_with_their_labels(self, sizes):
        queue, total = FeatureQueue(10, 3), sum(sizes)
        keys, labels = torch.randn(total, 3), torch.arange(total)
        for part_keys, part_labels in zip(keys.split(sizes), labels.split(sizes), strict=True):
            queue.push(part_keys, part_labels)
        bank = queue.bank()
        kept = min(10, total)
        real = bank.labels >= 0
        assert int(real.sum()) == kept
        assert sorted(bank.labels[real].tolist()) == list(range(total - kept, total))
        assert torch.equal(bank.features[real], keys[bank.labels[real]])
        assert torch.equal(bank.labels[real] % 10, real.nonzero().flatten())  # a ring

    def test_starts_with_unit_vectors_of_unknown_class(self):
        bank = FeatureQueue(16, 4).bank()
        torch.testing.assert_close(bank.features.norm(dim=1), torch.ones(16))
        assert (bank.labels == -1).all()

    def test_everything_is_in_the_state_dict(self):
        queue, other = FeatureQueue(5, 2), FeatureQueue(5, 2)
        queue.push(torch.randn(3, 2), torch.arange(3))
        other.load_state_dict(queue.state_dict(), strict=True)
        for each in (queue, other):
            each.push(torch.ones(4, 2), torch.arange(4))
        assert torch.equal(queue.bank().features, other.bank().features)
        assert torch.equal(queue.bank().labels, other.bank().labels)

    def test_bank_is_no_copy(self):
        queue = FeatureQueue(4, 2)
        bank = queue.bank()
        queue.push(torch.ones(4, 2), torch.arange(4))
        assert torch.equal(bank.features, torch.ones(4, 2))

    def test_keeps_its_precision(self):
        queue = FeatureQueue(4, 2)
        queue.push(torch.ones(1, 2, dtype=torch.bfloat16), torch.zeros(1, dtype=torch.long))
        assert queue.bank().features.dtype == torch.float32

    def test_holds_bfloat16(self):
        queue, other = (FeatureQueue(4, 2, dtype=torch.bfloat16) for _ in range(2))
        keys = nn.functional.normalize(torch.randn(2, 2), dim=1)
        queue.push(keys, torch.arange(2))
        assert torch.equal(queue.bank().features[:2], keys.bfloat16())
        other.load_state_dict(queue.state_dict(), strict=True)
        assert other.bank().features.dtype == torch.bfloat16
        assert torch.equal(queue.bank().features, other.bank().features)

    @pytest.mark.slow
    def test_push_compiles_without_graph_break(self):
        queue = FeatureQueue(10, 2)
        push = torch.compile(queue.push, fullgraph=True, backend="eager")
        for _ in range(5):
            push(torch.ones(4, 2), torch.arange(4))
        assert int(queue.pushed) == 20

    def test_bad_input(self):
        with pytest.raises(ValueError, match="`size` must be a whole number of at least 1, got 0"):
            FeatureQueue(0, 2)
        with pytest.raises(
            ValueError, match="`dtype` must be a floating-point type, got torch.int8"
        ):
            FeatureQueue(4, 2, dtype=torch.int8)
        with pytest.raises(ValueError, match=r"`features` must be a tensor \(N, 2\)"):
            FeatureQueue(4, 2).push(torch.ones(3, 3), torch.arange(3))
        with pytest.raises(ValueError, match=r"`labels` must be \(3,\), a label for each row"):
            FeatureQueue(4, 2).push(torch.ones(3, 2), torch.arange(2))


class TestProjector:
    def test_equals_lightlys_head(self):
        from lightly.models.modules import MoCoProjectionHead

        ours, theirs = Projector(16, 8), MoCoProjectionHead(16, 16, 8)
        theirs.layers.load_state_dict(ours.layers.state_dict(), strict=True)
        features = torch.randn(4, 16)
        expected = nn.functional.normalize(theirs(features), dim=1)
        torch.testing.assert_close(ours(features), expected)

    def test_is_of_unit_length_in_float32_under_autocast(self):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            projection = Projector(16, 8, kind="linear")(torch.randn(4, 16))
        assert projection.dtype == torch.float32
        torch.testing.assert_close(projection.norm(dim=1), torch.ones(4))

    def test_bad_input(self):
        with pytest.raises(ValueError, match="`kind` must be one of 'mlp', 'linear', got 'deep'"):
            Projector(4, 4, kind="deep")
        with pytest.raises(ValueError, match="`projection_dim` must be a whole number"):
            Projector(4, 0)
