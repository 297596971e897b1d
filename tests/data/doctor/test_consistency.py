"""Keys that change their meaning within a data set."""


def swap(controls, a, b):
    controls[:, [a, b]] = controls[:, [b, a]]


def test_keys_swapped_halfway_are_found(examined):
    def halfway(episodes):
        for episode in episodes[len(episodes) // 2 :]:
            swap(episode.controls, 1, 2)

    found = examined(halfway)["consistency"]
    assert found.verdict == "wrong" and "turn_left and turn_right are swapped" in found.sentence
    assert found.figures["cuts"]["the first 50% of the data and the rest"]["swapped"] == [
        ["turn_left", "turn_right"]
    ]


def test_keys_swapped_in_the_middle_of_each_episode_are_found(examined):
    def each(episodes):
        for episode in episodes:
            swap(episode.controls[len(episode.controls) // 2 :], 3, 4)

    found = examined(each)["consistency"]
    assert "second half of the episodes: look_up and look_down are swapped" in found.sentence


def test_a_key_that_stops_working_is_found(examined, clean):
    from panorama import recordings

    second = recordings(seed=1, dead=("turn_left",))
    found = examined(episodes=clean + second)["consistency"]
    assert found.verdict == "wrong" and "turn_left does nothing in one of them" in found.sentence
