//! One behaviour suite that every store passes: [`conformance_tests!`](crate::conformance_tests) makes one test per
//! behaviour, so that a failure has a name.
//!
//! A store joins with a [`Place`] and one line in a test binary. Every behaviour gets a [`World`] of its own, with a
//! clock that moves only when told to; when it has ended, the invariants of `check` are looked at as well.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test suite: a panic is its way to say no")]

pub mod batches;
pub mod blobs;
pub mod bounds;
mod check;
pub mod chunks;
pub mod control;
pub mod equal;
pub mod feed;
pub mod follow;
pub mod ids;
mod journal;
pub mod keys;
pub mod lease;
pub mod list;
pub mod lost;
mod make;
pub mod model;
pub mod names;
pub mod objects;
pub mod purge;
pub mod queues;
pub mod records;
pub mod restart;
pub mod retry;
pub mod script;
mod script_check;
pub mod search;
pub mod settle;
pub mod stats;
pub mod submit;
pub mod sweep;
mod world;

pub use make::{KIND, QUEUE, complete, content, digest, fail, name, names, new_job, new_of, worker_asks};
pub use world::{Place, Setup, World};

/// Runs one behaviour in a world of its own, then checks what must hold whatever happened.
pub async fn prove<P: Place>(fresh: fn() -> P, behaviour: impl AsyncFnOnce(&mut World)) {
    let mut world = World::new(fresh).await;
    behaviour(&mut world).await;
    world.finish().await;
}

/// Makes one test per behaviour. The argument is a function that makes a new, empty [`Place`].
#[macro_export]
macro_rules! conformance_tests {
    ($fresh:expr) => {
        $crate::conformance_tests! { @ $fresh;
            submit { creates_a_job_and_its_first_event, keeps_everything_the_client_asked_for, takes_a_batch_in_order,
                refuses_a_batch_whole, refuses_a_batch_without_hurting_its_neighbours, an_empty_batch_is_nothing }
            keys { replays_the_same_content, refuses_other_content, sixty_four_duplicates_get_one_job,
                are_scoped_by_queue, of_a_purged_job_stay_taken_until_dropped, twice_in_a_batch_are_one_job,
                find_their_job_in_the_list }
            batches { again_are_the_same_jobs, of_other_content_are_refused, refused_ones_are_not_remembered,
                sixty_four_at_once_are_one, lead_to_whatever_they_came_to, say_what_was_purged,
                live_as_long_as_one_of_their_jobs }
            ids { chosen_id_finds_its_job, chosen_id_again_is_the_same_job, chosen_id_of_other_content_conflicts,
                chosen_id_of_a_purged_job, a_key_beside_a_chosen_id_means_the_same_job, a_minted_id_cannot_be_chosen, unknown_ids_are_unknown,
                a_chosen_version_7_id_is_still_chosen }
            equal { waiting_and_running_are_shared, a_shared_job_is_not_canceled_unless_forced,
                succeeded_answers_within_its_age, a_newer_one_takes_the_place, attaches_the_key, a_refused_batch_joins_nothing,
                a_job_asked_to_stop_is_not_joined, posts_never_coalesce }
            names { each_by_its_own, unused_ones_make_room, a_refused_batch_forgets_none }
            bounds { of_a_queue, of_the_whole_store, of_a_queue_by_its_setting, replays_pass_a_full_queue }
            lease { hands_out_and_counts_the_attempt, only_what_was_asked_for, by_patterns_and_by_queues_alone, by_rank_over_queues_and_kinds,
                priority_goes_first_but_not_for_ever, names_given_twice_count_once, two_workers_never_get_one_job,
                sees_what_stands_before_it_in_the_request, skips_what_came_too_late, inputs_end_a_request,
                the_same_request_gets_the_same_leases, a_request_does_not_get_leases_that_are_over }
            queues { settings_are_kept, settings_of_others_stay, paused_hands_out_nothing, concurrency_holds, kind_cap_holds,
                caps_of_queue_and_kind_do_not_eat_each_other }
            objects { are_put_replaced_and_deleted, change_only_as_expected, one_of_many_makes_it, outlive_a_restart,
                are_listed_by_name, are_of_one_transaction_with_the_rest }
            settle { complete_records_result_and_end, complete_again_is_the_same_answer,
                complete_again_with_other_content_is_lost, wrong_attempt_changes_nothing, after_the_end_changes_nothing,
                unknown_job_is_gone, result_kinds_read_back, every_end_after_a_cancel_request }
            retry { a_failed_attempt_waits_and_runs_again, failures_exhaust, not_retryable_ends_at_once,
                retry_after_wins, release_is_not_counted, release_with_a_delay_waits, a_timeout_is_a_failure }
            lost { only_after_the_lease_is_over, a_heartbeat_saves, a_heartbeat_may_change_the_length, a_look_extends_nothing,
                three_in_a_row_are_poison, as_many_as_a_job_says, without_a_bound_they_are_failures, another_end_breaks_the_row, fails_at_once_when_asked_to,
                the_late_worker_wins_when_first, not_who_took_too_long, next_overdue_tells_when, wall_clock_steps_lose_nothing }
            control { cancel_waiting, cancel_scheduled, cancel_running_asks, cancel_again_and_after_the_end, of_another_number_nothing_changes,
                run_now_makes_due, run_now_of_others, unknown_jobs_are_gone }
            sweep { promotes_what_is_due_in_order, next_due_is_never_too_late, expires_what_was_not_started,
                a_started_job_does_not_expire, limits_hold }
            purge { forgets_and_remembers_that_it_did, only_finished_jobs, purges_by_final_state,
                purge_expired_takes_the_oldest_few,
                drops_tombstones, takes_everything_of_the_job }
            feed { is_ordered_and_paged, pages_end_where_they_are_full, filters, commits_are_the_feed, created_carries_the_key, outlives_its_jobs, is_trimmed_by_age, waits_for_its_readers, is_trimmed_by_size,
                cursors_are_never_given_twice, readers_beside_writers_miss_nothing, a_second_reader_of_commits_takes_over }
            chunks { offsets_grow_and_read_back, repeats_are_not_doubled, holes_are_not_written, caps_hold,
                large_pieces_are_cut_and_read_anywhere, streams_are_per_attempt, the_log_is_one, last_lines_of_a_run_are_kept, only_the_running_attempt_writes }
            records { results_of_many, progress_and_failure_show, progress_guards, everything_survives_in_events }
            list { filters_by_what_it_says, by_patterns_of_names, every_page_without_gaps_or_doubles, newest_first, long_lists_in_slices }
            search { tags_match_exactly, text_is_literal, text_looks_everywhere, every_filter_together }
            stats { follow_every_move, of_queues_and_kinds, oldest_at_the_head_of_each_line, tickets_and_served }
            follow { the_end_of_one_promotes_another, a_lease_sees_what_was_promoted, chains_go_on_in_rounds, what_is_too_much_is_caught_up,
                a_refused_one_takes_nothing_back, every_end_counts }
            blobs { referenced_stay_and_orphans_go, orphans_go_while_it_is_open, of_purged_jobs_are_handed_back, results_may_be_files, are_read_copied_and_removed }
            restart { everything_is_there, leases_get_their_full_length_again, a_hand_over_outlives_a_restart, time_limits_run_on, numbers_grow_though_the_clock_steps_back,
                due_times_are_known_again, secret_and_settings_stay, closed_takes_nothing }
            model { five_worlds_from_0, five_worlds_from_5, five_worlds_from_10, five_worlds_from_15 }
            script { fifty_seeds_from_0, fifty_seeds_from_50, fifty_seeds_from_100, fifty_seeds_from_150 }
        }
    };
    (@ $fresh:expr; $($noun:ident { $($behaviour:ident),* $(,)? })*) => {
        mod conformance {
            use super::*;
            $(mod $noun {
                use super::*;
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $behaviour() {
                        $crate::conformance::prove($fresh, $crate::conformance::$noun::$behaviour).await;
                    }
                )*
            })*
        }
    };
}
