"""Every fault that we know of has a test, or a reason why it has none.

docs/reliability.md tells the same to users; its table is checked against these.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reliability.md"
Case = tuple[str, tuple[str, ...]]  # what goes wrong; tests, as FILE::FUNCTION below tests/
CHAOS = "faults/test_chaos.py::test_nothing_is_lost_whatever_is_killed"
FUZZ = "fuzz/test_fuzz.py::test_no_traceback_no_signal_nothing_slow"
DISKS = "faults/test_disks.py::test_a_bad_disk_is_one_line_with_the_path_and_the_mend"
DISKS_MENDED = "faults/test_disks.py::test_the_same_command_goes_on"
ODD = "datasets/test_odd_pictures.py::test_odd_pictures_are_used_or_told"
MAKE = "datasets/test_make.py::"
DECODE, DAMAGE = "images/test_decode.py::", "images/test_damage.py::"
HERE, WEIGHTS = "faults/test_surroundings.py::", "models/parts/test_weights.py::"
OWN = "runs/test_own_weights.py::"
ZIP, ARCHIVES = "ranking/submissions/test_references.py::", "weights/test_archives.py::"
NO_RLE = "of COCO's files captions are read, and no masks"

CASES: dict[int, Case] = {
    1: (
        "a worker is killed in the middle of its shard",
        (CHAOS, "test_engine.py::test_a_worker_that_dies_is_replaced_and_its_shard_tried_again"),
    ),
    2: ("the command is killed", (f"{MAKE}test_a_killed_run_goes_on_to_the_same_digest",)),
    3: (
        "SIGTERM, as from a batch system",
        (
            CHAOS,
            "commands/test_main.py::test_every_command_runs_below_what_hears_sigterm",
            "commands/test_main.py::test_sigterm_ends_real_commands_as_ctrl_c_does",
        ),
    ),
    4: ("the scheduler is killed", (CHAOS,)),
    5: ("a worker is stopped, and goes on later", (CHAOS,)),
    6: (
        "a picture kills every process that reads it",
        (CHAOS, f"{MAKE}test_a_picture_that_kills_its_worker_costs_only_itself"),
    ),
    7: ("a machine leaves, another joins", (CHAOS,)),
    8: (
        "two commands write into one folder",
        (
            "datasets/test_refusals.py::test_two_writers_are_kept_apart",
            f"{HERE}test_of_two_trainings_that_begin_at_once_one_is_refused",
            "scoring/test_evaluate.py::test_two_evaluations_never_write_one_result_at_once",
        ),
    ),
    9: (
        "the disk is full",
        (CHAOS, DISKS, DISKS_MENDED, f"{MAKE}test_a_full_disk_is_told_and_nothing_is_lost"),
    ),
    10: ("the folder is read-only", (DISKS, DISKS_MENDED)),
    11: (
        "half-written files of a killed run lie about",
        (f"{MAKE}test_a_killed_run_goes_on_to_the_same_digest",),
    ),
    12: (
        "a list of rows is cut short",
        (
            "datasets/test_dataset.py::test_torn_metadata_is_told",
            f"{MAKE}test_damaged_done_records_cost_only_their_own_pairs",
        ),
    ),
    13: (
        "a finished picture is missing, empty or has a flipped bit",
        (
            CHAOS,
            f"{MAKE}test_a_finished_set_that_lost_something_gets_it_back",
            "datasets/test_checks.py::test_a_picture_of_another_size_is_found_unread_and_made_again",
            "datasets/test_verify.py::test_a_flipped_bit_names_the_file",
        ),
    ),
    14: (
        "the recipe was changed before the command is run again",
        ("datasets/test_refusals.py::test_another_request_is_refused",),
    ),
    15: (
        "blurbench or a plug-in is of another version",
        (f"{HERE}test_a_set_of_another_version_is_not_gone_on_with",),
    ),
    16: ("an empty file", (f"{DECODE}test_what_is_no_picture_is_named",)),
    17: (
        "a JPEG is cut short",
        (f"{DECODE}test_truncated_file_is_named_in_one_line", ODD),
    ),
    18: (
        "a PNG is cut short",
        (f"{DECODE}test_truncated_file_is_named_in_one_line", ODD),
    ),
    19: (
        "a bit of a PNG is flipped",
        (f"{DECODE}test_flipped_bit_in_a_png_is_found",),
    ),
    20: (
        "bytes of a JPEG are zero",
        (f"{DAMAGE}test_a_zeroed_sector_is_a_named_failure_and_no_noise",),
    ),
    21: (
        "a picture has another suffix",
        (f"{HERE}test_a_picture_under_another_suffix_is_what_it_is",),
    ),
    22: ("text named .jpg", (ODD,)),
    23: ("a small file of very many pixels", (ODD,)),
    24: (
        "a header that claims too many pixels",
        (f"{DECODE}test_bomb_is_refused_by_its_header",),
    ),
    25: (
        "EXIF says that it lies on its side",
        (f"{DECODE}test_exif_rotation_is_applied",),
    ),
    26: (
        "alpha, 16 bits, grey, CMYK, a palette",
        (ODD, f"{DECODE}test_every_colour_mode_becomes_rgb"),
    ),
    27: (
        "one pixel, or smaller than the kernel",
        (ODD, "datasets/test_pair.py::test_too_small_names_the_item_and_the_size_needed"),
    ),
    28: (
        "NaN in a kernel or in what a model restores",
        (
            "blurs/test_kernel_files.py::test_what_is_no_kernel_is_told_by_its_place",
            f"{WEIGHTS}test_numbers_that_are_none_are_told",
        ),
    ),
    29: (
        "restored and sharp pictures differ in size",
        ("scoring/test_restorers.py::test_missing_doubled_damaged_and_wrong_sizes_are_named",),
    ),
    30: (
        "restored pictures are missing, too many, or doubled",
        (
            "scoring/test_restorers.py::test_missing_doubled_damaged_and_wrong_sizes_are_named",
            "scoring/test_restorers.py::test_pictures_are_paired_by_name_and_never_by_order",
        ),
    ),
    31: (
        "names with blanks, accents, line breaks, or not UTF-8",
        (
            "sources/test_open.py::test_name_that_is_not_utf8_is_refused",
            "sources/test_open.py::test_names_that_differ_in_suffix_or_case_stay_apart",
            "commands/test_main.py::test_a_name_that_is_no_text_is_told",
        ),
    ),
    32: (
        "a row names a file elsewhere",
        ("datasets/test_verify.py::test_paths_that_leave_the_folder_are_told_and_never_read",),
    ),
    33: (
        "a link leads out of the folder",
        (
            "sources/test_open.py::test_links_to_pictures_and_folders_are_followed",
            "images/test_found.py::test_links_to_what_holds_them_are_not_entered",
            "datasets/test_find_pairs.py::test_what_a_list_names_may_not_lead_out_by_a_link",
        ),
    ),
    34: (
        "an archive's member leads elsewhere",
        (
            f"{ZIP}test_a_member_that_leads_elsewhere_is_refused",
            f"{ZIP}test_a_link_is_a_file_of_its_own_words",
            f"{ARCHIVES}test_a_member_is_written_where_the_entry_says_and_nowhere_else",
            f"{ARCHIVES}test_a_member_that_is_a_link_or_a_device_is_not_followed",
        ),
    ),
    35: (
        "an archive that unpacks to terabytes",
        (
            f"{ZIP}test_more_bytes_than_may_be_are_refused_before_any_is_written",
            f"{ZIP}test_one_picture_that_is_too_large_is_refused_unread",
            f"{ZIP}test_a_member_that_lies_about_its_size_writes_no_more_than_it_says",
            f"{ARCHIVES}test_a_member_that_is_too_large_is_refused_unread",
            f"{ARCHIVES}test_a_member_that_lies_about_its_size_is_refused",
        ),
    ),
    36: (
        "a checkpoint that runs code",
        ("models/parts/test_released.py::test_no_file_runs_code",),
    ),
    37: (
        "a checkpoint is cut short",
        (f"{WEIGHTS}test_a_file_cut_short_is_told",),
    ),
    38: (
        "weights of another model, shape or type",
        (
            "training/test_checkpoint.py::test_weights_of_another_model_are_refused_with_the_difference",
            f"{WEIGHTS}test_weights_of_another_kind_are_refused",
        ),
    ),
    39: (
        "a recipe with wrong, unknown or endless fields",
        ("recipes/test_recipe.py::test_one_line_names_file_field_and_what_is_allowed", FUZZ),
    ),
    40: (
        "markup and formulas as names",
        (
            "ranking/test_report.py::test_no_name_reaches_the_page_as_markup",
            "ranking/test_report.py::test_the_csv_holds_a_line_a_model_with_intervals_and_gains",
        ),
    ),
    41: (
        "a process of a training is killed",
        ("training/test_kill.py::test_processes_outlive_the_death_of_one",),
    ),
    42: (
        "a training is killed while it writes a checkpoint",
        ("training/test_resume.py::test_stopped_anywhere_it_ends_with_the_same_bits",),
    ),
    43: (
        "the loss becomes NaN",
        ("training/test_runner.py::test_nan_stops_and_keeps_the_last_good_checkpoint",),
    ),
    44: (
        "a process that loads pictures for a training is killed",
        (f"{HERE}test_a_loader_that_is_killed_is_told_with_the_mend",),
    ),
    45: (
        "the clock goes back; decimal commas; another time zone",
        (
            f"{HERE}test_no_clock_no_language_and_no_zone_moves_a_pixel",
            "captions/test_java.py::test_meteor_in_a_german_locale_and_python_ends_with_it",
        ),
    ),
    46: (
        f"COCO's JSON lacks ids; bad masks in it: {NO_RLE}",
        ("sources/labels/test_caption_files.py::test_broken_file_is_one_line_that_names_it", FUZZ),
    ),
    47: (
        "a caption is empty",
        (
            "sources/labels/test_caption_files.py::test_too_few_captions_fail_when_loaded",
            "captions/test_trees.py::test_what_a_sentence_is_split_into",
        ),
    ),
    48: (
        "a mask without a face",
        (f"{HERE}test_a_face_that_is_not_there_trains_and_scores_as_nothing",),
    ),
    49: (
        "no GPU, or not the one that was asked for",
        ("runs/test_trained.py::test_a_device_that_is_not_there_is_one_line",),
    ),
    50: (
        "restored and sharp pictures are identical",
        ("metrics/test_distortion.py::test_identical_pictures_score_the_best_finite_value",),
    ),
    51: (
        "weights or a checkpoint of another run, in a run's folder",
        (
            f"{OWN}test_weights_of_another_run_are_refused_and_taken_as_a_file",
            f"{OWN}test_a_checkpoint_of_another_run_is_not_gone_on_from",
        ),
    ),
    52: (
        "a source picture is replaced by another of its name",
        (
            "datasets/test_refusals.py::test_what_was_made_of_a_picture_that_changed_is_made_again",
            f"{MAKE}test_a_finished_set_does_not_become_one_of_other_sources",
        ),
    ),
}
# Kinds of damage that an earlier version took in silence, crashed on or hung at.
KINDS: dict[str, tuple[str, ...]] = {
    "one flipped bit in a checkpoint": (f"{WEIGHTS}test_a_flipped_bit_of_any_byte_is_told",),
    "weights that are NaN, or whole numbers": (
        f"{WEIGHTS}test_numbers_that_are_none_are_told",
        f"{WEIGHTS}test_weights_of_another_kind_are_refused",
    ),
    "colour profiles, alpha, 16 bits, several frames": (
        "images/test_header.py::test_what_is_more_than_three_channels_of_eight_bits_is_told",
        "images/test_colour.py::test_colours_are_those_of_the_formulas",
    ),
    "a JPEG that libjpeg warns of": (
        f"{DAMAGE}test_a_zeroed_sector_is_a_named_failure_and_no_noise",
    ),
    "an empty file in a finished set": (
        CHAOS,
        f"{MAKE}test_a_finished_set_that_lost_something_gets_it_back",
    ),
    "two trainings that begin at once": (
        f"{HERE}test_of_two_trainings_that_begin_at_once_one_is_refused",
    ),
    "a .mat that crashes its parser": (
        FUZZ,
        "test_guarded.py::test_what_ends_the_child_is_one_line_and_the_next_call_works",
    ),
    "pictures that fit the limit of pixels and no memory": (
        "test_memory.py::test_what_does_not_fit_is_told_before_it_is_begun",
        "images/test_header.py::test_a_picture_that_does_not_fit_is_refused_before_it_is_decoded",
    ),
    "settings without bounds, or of another type": (FUZZ,),
    "a pipe or a device in the place of a file": ("test_files.py::test_only_files_are_read",),
    "a network too large to be built": (FUZZ,),
    "numbers of 5,000 digits": (
        FUZZ,
        "schemas/test_schemas.py::test_no_bytes_end_in_another_error",
    ),
    "half characters, NUL, names that are no text": (
        FUZZ,
        "commands/test_main.py::test_a_name_that_is_no_text_is_told",
    ),
    "right JSON of wrong types": (FUZZ, "schemas/test_schemas.py::test_every_kind_of_type_is_read"),
    "weights that rot after they were fetched": (
        "weights/test_fetch.py::test_a_file_that_was_damaged_since_is_told_and_fetched_anew",
    ),
    "a damaged archive of others": (
        f"{ZIP}test_a_damaged_archive_is_one_line",
        f"{ARCHIVES}test_a_damaged_archive_is_one_line",
    ),
    "a full disk that was blamed on the network, or on an archive": (
        "weights/test_fetch.py::test_a_full_disk_is_not_the_networks_fault",
        f"{ZIP}test_a_full_disk_is_not_the_archives_fault",
    ),
    "what nobody foresaw": (
        "commands/test_main.py::test_what_nobody_foresaw_is_told_with_its_place_and_a_file_of_all_of_it",
    ),
    "a full disk in every command": (DISKS, DISKS_MENDED),
    "a umask": ("test_files.py::test_new_files_are_as_open_as_the_umask_lets_them",),
    "SIGTERM to synthesize": (CHAOS,),
    "noise after a kill": (CHAOS,),
    "a torn log": ("training/test_runner.py::test_log_rows_are_written_once_over_a_resume",),
    "markup in the title of a data set": (
        "datasets/test_card.py::test_the_card_tells_what_the_set_is",
    ),
    "metrics that would download": (
        "commands/test_offline.py::test_every_command_works_without_a_network_and_asks_nobody",
    ),
    "work made twice after a fault": (
        CHAOS,
        "datasets/test_shard_record.py::test_a_second_try_makes_what_the_first_did_not_keep",
    ),
}
NAMED = [*(tests for _, tests in CASES.values()), *KINDS.values()]


@cache
def functions(file: str) -> frozenset[str]:
    """The names of a module's tests."""
    body = ast.parse((TESTS / file).read_text(encoding="utf-8")).body
    return frozenset(node.name for node in body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("test", sorted({test for tests in NAMED for test in tests}))
def test_every_test_that_is_named_exists(test: str) -> None:
    file, _, name = test.partition("::")
    assert name in functions(file)


def test_every_case_has_a_test_or_a_reason() -> None:
    assert [*CASES] == [*range(1, 53)]
    assert [number for number, (_, tests) in CASES.items() if not tests] == []
    assert [kind for kind, tests in KINDS.items() if not tests] == []


def test_the_page_tells_every_case() -> None:
    section = PAGE.read_text(encoding="utf-8").split("## Every case")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", section, re.MULTILINE)
    # A reason stands in the next column.
    assert rows == [(str(number), what.partition(":")[0]) for number, (what, _) in CASES.items()]
