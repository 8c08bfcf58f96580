# Shift hours: a token with a claim `shift` is good during that shift only. When it is stands in shifts/data.json, as
# wall clock times at a fixed offset from UTC. Plain arithmetic on `now`: OPA's time functions would cost 100 µs.
package tailrace.shifts

import data.tailrace.claims

default permitted := false

permitted if {
	not claims.has("shift")
} else if {
	on(weekday, clock)
} else if {
	# The shift that began yesterday, and lasts over midnight.
	on((weekday + 6) % 7, clock + 1440)
}

on(day, minute) if {
	day in begins_on
	minute >= begins
	minute < begins + lasts
}

shift := data.shifts[input.subject.shift]

# Minutes since 1970-01-01 00:00, a Thursday, on the shift's own clock.
minutes := floor(input.now / 60000) + offset

clock := minutes % 1440

weekday := (floor(minutes / 1440) + 3) % 7

weekdays := ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

# The days on which it begins, Monday is 0.
begins_on contains number if {
	some number, day in weekdays
	day in shift.days
}

begins := minute_of(shift.from)

# From a time to the same time is a whole day.
lasts := 1440 - (((begins - ends) + 1440) % 1440)

ends := minute_of(shift.to)

minute_of(time) := (to_number(substring(time, 0, 2)) * 60) + to_number(substring(time, 3, 2))

default offset := 0

offset := minute_of(substring(shift.offset, 1, 5)) if startswith(shift.offset, "+")

offset := 0 - minute_of(substring(shift.offset, 1, 5)) if startswith(shift.offset, "-")

# How many minutes from now it begins: today if that is to come, else on the first of its days that follow.
wait := min([minutes_to |
	some day in numbers.range(0, 7)
	((weekday + day) % 7) in begins_on
	minutes_to := ((day * 1440) + begins) - clock
	minutes_to > 0
])

refusal := $"shift {input.subject.shift} begins {day} at {shift.from} {zone}" if {
	day := weekdays[(weekday + floor((clock + wait) / 1440)) % 7]
	zone := $"UTC{object.get(shift, "offset", "")}"
} else := $"the token's shift {input.subject.shift} is not known here" if {
	is_string(input.subject.shift)
} else := "the token's claim shift is not the name of a shift"
