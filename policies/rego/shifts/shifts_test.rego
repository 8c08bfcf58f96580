package tailrace.shifts_test

import data.tailrace.shifts

table := {
	"day": {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "06:00", "to": "18:00"},
	"night": {"days": ["sun"], "from": "22:30", "to": "06:15", "offset": "+05:30"},
	"west": {"days": ["sat"], "from": "00:00", "to": "24:00", "offset": "-08:00"},
	"round": {"days": ["wed"], "from": "12:00", "to": "12:00"},
	"rare": {"days": ["mon"], "from": "06:00", "to": "06:01"},
}

# 2026-11-16 is a Monday.
monday := 1794787200000

at(day, hour, minute) := monday + (((((day * 24) + hour) * 60) + minute) * 60000)

on(shift, now) if shifts.permitted with data.shifts as table with input as {"now": now, "subject": {"shift": shift}}

test_a_shift_holds_from_its_first_to_before_its_last_minute if {
	not on("day", at(0, 6, 0) - 1)
	on("day", at(0, 6, 0))
	on("day", at(0, 18, 0) - 1)
	not on("day", at(0, 18, 0))
}

test_other_days_are_off if {
	on("day", at(4, 12, 0))
	not on("day", at(5, 12, 0))
	not on("day", at(6, 12, 0))
	on("day", at(7, 12, 0))
}

# 22:30 at +05:30 is 17:00 UTC, and 06:15 on Monday is 00:45 UTC.
test_over_midnight_a_shift_belongs_to_the_day_on_which_it_begins if {
	not on("night", at(6, 16, 59))
	on("night", at(6, 17, 0))
	on("night", at(6, 23, 59))
	on("night", at(7, 0, 44))
	not on("night", at(7, 0, 45))
	not on("night", at(7, 17, 0))
}

test_a_day_to_the_west_begins_later if {
	not on("west", at(5, 7, 59))
	on("west", at(5, 8, 0))
	on("west", at(6, 7, 59))
	not on("west", at(6, 8, 0))
}

test_from_a_time_to_the_same_time_is_a_whole_day if {
	not on("round", at(2, 11, 59))
	on("round", at(2, 12, 0))
	on("round", at(3, 11, 59))
	not on("round", at(3, 12, 0))
}

test_the_refusal_says_when_it_begins if {
	told("day", at(0, 5, 0)) == "shift day begins mon at 06:00 UTC"
	told("day", at(0, 18, 0)) == "shift day begins tue at 06:00 UTC"
	told("day", at(4, 18, 0)) == "shift day begins mon at 06:00 UTC"
	told("night", at(0, 0, 45)) == "shift night begins sun at 22:30 UTC+05:30"
	told("rare", at(0, 6, 1)) == "shift rare begins mon at 06:00 UTC"
}

told(shift, now) := refusal if {
	refusal := shifts.refusal with data.shifts as table with input as {"now": now, "subject": {"shift": shift}}
}

test_unknown_shifts_and_wrong_claims_are_refused if {
	every claim in [false, null, "", "noon", 7, ["day"]] {
		not on(claim, at(0, 12, 0))
	}
}

test_without_a_time_no_shift_is_on if {
	not shifts.permitted with data.shifts as table with input as {"subject": {"shift": "day"}}
}
