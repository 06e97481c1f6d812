// Package schedule reads the schedules of scheduled actions: a moment
// at(2026-08-01T09:00:00), an interval rate(5 minutes), and times of the
// calendar cron(0 9 ? * MON-FRI *), with a field for seconds before them if
// there are seven. It owns the grammar and says when a schedule is next due;
// it knows no action and looks nothing up but time zones, which are built in.
// A Schedule never changes and may be shared.
package schedule

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a bare machine has no time zones of its own

	"berth/internal/fault"
)

// Schedule is a parsed schedule.
type Schedule struct {
	at   time.Time     // of at()
	rate time.Duration // of rate()
	cron *cron
	zone *time.Location
}

func invalid(format string, args ...any) error { return fault.New(fault.Invalid, "", format, args...) }

// Zone finds a time zone by its IANA name; "" is UTC.
func Zone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, invalid("time zone Local is no canonical name")
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		return nil, invalid("time zone %s is not known", name)
	}
	return z, nil
}

var form = regexp.MustCompile(`^\s*(at|rate|cron)\s*\(([^()]*)\)\s*$`)

// At is a schedule of one moment.
func At(t time.Time) Schedule { return Schedule{at: t} }

// Recurrence reads the five fields of Unix's cron: minute, hour, day of month,
// month and day of week from Sunday, which is 0 or 7. If both days are given,
// either will do. Errors: fault.Invalid.
func Recurrence(text string, zone *time.Location) (Schedule, error) {
	c, err := parseUnix(text)
	return Schedule{cron: c, zone: zone}, err
}

// Parse reads a schedule whose times are of a zone. Errors: fault.Invalid.
func Parse(text string, zone *time.Location) (Schedule, error) {
	f := form.FindStringSubmatch(text)
	if f == nil {
		return Schedule{}, invalid("schedule %q is none of at(yyyy-mm-ddThh:mm:ss), rate(value unit) and cron(fields)", text)
	}
	s := Schedule{zone: zone}
	var err error
	switch f[1] {
	case "at":
		s.at, err = parseAt(f[2], zone)
	case "rate":
		s.rate, err = parseRate(f[2])
	default:
		s.cron, err = parseCron(f[2])
	}
	return s, err
}

// parseAt takes hours of one digit, too, as AWS's own examples have.
func parseAt(text string, zone *time.Location) (time.Time, error) {
	t, err := time.ParseInLocation("2006-01-02T15:4:5", strings.TrimSpace(text), zone)
	if err != nil {
		return t, invalid("at(%s): the time is not yyyy-mm-ddThh:mm:ss", text)
	}
	return t, nil
}

var units = map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}

func parseRate(text string) (time.Duration, error) {
	f := strings.Fields(text)
	if len(f) != 2 {
		return 0, invalid("rate(%s): it is a value and a unit", text)
	}
	n, err := strconv.ParseInt(f[0], 10, 32)
	unit, ok := units[strings.TrimSuffix(f[1], "s")]
	switch {
	case err != nil || n < 1:
		return 0, invalid("rate(%s): the value is not a positive number", text)
	case !ok:
		return 0, invalid("rate(%s): the unit is none of minutes, hours and days", text)
	case n > int64(100*365*24*time.Hour/unit):
		return 0, invalid("rate(%s): the value is too great", text)
	}
	return time.Duration(n) * unit, nil
}

// Once reports whether the schedule has a single moment.
func (s Schedule) Once() bool { return !s.at.IsZero() }

// Next is the first moment after a time at which the schedule is due; ok is
// false if there is none. A rate counts from its anchor, the moment of its
// first run or of its creation.
func (s Schedule) Next(after, anchor time.Time) (next time.Time, ok bool) {
	switch {
	case s.rate > 0:
		if anchor.After(after) {
			return anchor, true
		}
		n := after.Sub(anchor)/s.rate + 1
		return anchor.Add(n * s.rate), true
	case s.cron != nil:
		t, ok := s.cron.next(after, s.zone)
		return t.UTC(), ok
	default:
		return s.at.UTC(), s.at.After(after)
	}
}
