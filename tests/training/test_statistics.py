"""The average of a moving network needs batch statistics of its own."""

from __future__ import annotations

import torch
from torch import nn
from training_toy import ToyGame, same, toy_faces

from fedit_lib.training import Player, fit, measure_statistics
from fedit_lib.training.statistics import batch_norms


def test_the_measured_statistics_are_those_of_the_rehearsal_and_nothing_else_changes():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, momentum=0.3), nn.Dropout(0.5)).eval()
    network[1].running_mean.fill_(9.0)
    before = {key: value.clone() for key, value in network.named_parameters()}
    batches = [torch.randn(8, 3, 5, 5) + 2 for _ in range(6)]
    queue = iter(batches)
    measure_statistics([network], lambda: network(next(queue)), batches=6)
    seen = network[0](torch.cat(batches))
    assert torch.allclose(network[1].running_mean, seen.mean((0, 2, 3)), atol=1e-5)
    within = torch.stack([network[0](b).var((0, 2, 3)) for b in batches]).mean(0)
    assert torch.allclose(network[1].running_var, within, rtol=1e-3)
    assert network[1].momentum == 0.3 and not any(m.training for m in network.modules())
    assert all(torch.equal(before[key], value) for key, value in network.named_parameters())


def test_only_layers_with_running_statistics_count():
    layers = [nn.BatchNorm2d(2), nn.InstanceNorm2d(2), nn.BatchNorm2d(2, track_running_stats=False)]
    assert batch_norms([nn.Sequential(*layers)]) == layers[:1]


class Shifting(ToyGame):
    """Its first layer's bias runs away, so that an average lags far behind."""

    ema_decay = 0.99

    def after_round(self, round: int, batch) -> None:
        with torch.no_grad():
            self.generator[0].bias.add_(1.0)


def activations(network: nn.Module) -> torch.Tensor:
    return network[0](toy_faces().draw(64, torch.Generator().manual_seed(0), False).images).mean((0, 2, 3))


def test_an_average_ships_with_its_own_batch_statistics(tmp_path):
    game = Shifting()
    fit(game, toy_faces(), steps=30, batch_size=16, out=tmp_path, device="cpu", progress=False, flip=False)
    shipped = game.averaged_networks()["generator"]
    assert (activations(shipped) - activations(game.generator)).abs().min() > 2  # it does lag
    assert torch.allclose(shipped[1].running_mean, activations(shipped), atol=0.2)
    assert not shipped.training and game.generator[1].momentum == 0.1


def test_without_a_rehearsal_the_averaged_statistics_stay():
    class Silent(Shifting):
        rehearse = ToyGame.__mro__[1].rehearse

    game = Silent()
    fit(game, toy_faces(), steps=30, batch_size=16, device="cpu", progress=False, flip=False)
    shipped = game.averaged_networks()["generator"]
    assert (shipped[1].running_mean - activations(shipped)).abs().max() > 1


def test_measuring_does_not_change_the_training():
    games = []
    for every in (2, 7):
        games.append(ToyGame())
        fit(
            games[-1],
            toy_faces(),
            steps=14,
            batch_size=4,
            device="cpu",
            progress=False,
            checkpoint_every=every,
        )
    assert same(*games)


def test_without_an_average_there_is_nothing_to_rehearse():
    class Plain(Shifting):
        ema_decay = None

    game, drawn = Plain(), []
    fit(game, toy_faces(), steps=2, batch_size=4, device="cpu", progress=False)
    game.settle(lambda: drawn.append(1))
    assert not drawn


def test_a_player_slows_down_with_the_game_unless_it_says_otherwise():
    assert not Player("critic", (nn.Linear(1, 1),), lambda batch: {}, lr=1.0).steady
