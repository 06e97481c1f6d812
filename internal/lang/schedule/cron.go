package schedule

import (
	"strconv"
	"strings"
	"time"
)

// cron is a set of times: those whose every field is in the field's set.
type cron struct {
	second, minute, hour, month, year set
	day, weekday                      []dayRule
}

// set holds the numbers from its field's lowest on.
type set struct {
	low int
	has []bool
}

func (s set) in(n int) bool { return n >= s.low && n-s.low < len(s.has) && s.has[n-s.low] }

// field is what may stand in a place of a cron expression.
type field struct {
	name      string
	low, high int
	names     []string // of low and what follows
}

// The fields, with days of the week from Sunday, which is 1, as CloudWatch
// counts them.
var (
	seconds  = field{"seconds", 0, 59, nil}
	minutes  = field{"minutes", 0, 59, nil}
	hours    = field{"hours", 0, 23, nil}
	days     = field{"day of month", 1, 31, nil}
	months   = field{"month", 1, 12, []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}}
	weekdays = field{"day of week", 1, 7, []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}}
	years    = field{"year", 1970, 2199, nil}
)

func parseCron(text string) (*cron, error) {
	f := strings.Fields(text)
	if len(f) == 6 {
		f = append([]string{"0"}, f...)
	}
	if len(f) != 7 {
		return nil, invalid("cron(%s): there are %d fields, not 6", text, len(f))
	}
	c := &cron{}
	for i, p := range []struct {
		to *set
		of field
	}{{&c.second, seconds}, {&c.minute, minutes}, {&c.hour, hours}, {nil, days}, {&c.month, months}, {nil, weekdays}, {&c.year, years}} {
		if p.to == nil {
			continue
		}
		var err error
		if *p.to, err = p.of.set(f[i]); err != nil {
			return nil, invalid("cron(%s): %v", text, err)
		}
	}
	var err error
	if c.day, err = parseDays(f[3]); err != nil {
		return nil, invalid("cron(%s): %v", text, err)
	}
	if c.weekday, err = parseWeekdays(f[5]); err != nil {
		return nil, invalid("cron(%s): %v", text, err)
	}
	if c.day != nil && c.weekday != nil {
		return nil, invalid("cron(%s): one of day of month and day of week must be ? or *", text)
	}
	return c, nil
}

// unixWeekdays are the days of the week as Unix counts them.
var unixWeekdays = field{"day of week", 0, 7, []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}}

func parseUnix(text string) (*cron, error) {
	f := strings.Fields(text)
	if len(f) != 5 {
		return nil, invalid("%q has %d fields, not 5", text, len(f))
	}
	c := &cron{}
	var day, weekday set
	for i, p := range []struct {
		to *set
		of field
	}{{&c.minute, minutes}, {&c.hour, hours}, {&day, days}, {&c.month, months}, {&weekday, unixWeekdays}} {
		var err error
		if *p.to, err = p.of.set(f[i]); err != nil {
			return nil, invalid("%q: %v", text, err)
		}
	}
	c.second, _ = seconds.set("0")
	c.year, _ = years.set("*")
	if f[2] != "*" {
		c.day = append(c.day, func(t time.Time) bool { return day.in(t.Day()) })
	}
	if f[4] != "*" {
		c.day = append(c.day, func(t time.Time) bool { n := int(t.Weekday()); return weekday.in(n) || n == 0 && weekday.in(7) })
	}
	return c, nil
}

// set reads a list of numbers, names, ranges and steps.
func (f field) set(text string) (set, error) {
	s := set{f.low, make([]bool, f.high-f.low+1)}
	for item := range strings.SplitSeq(text, ",") {
		from, to, step, err := f.span(item)
		if err != nil {
			return s, err
		}
		if to < from {
			to += f.high - f.low + 1 // FRI-MON goes over the end
		}
		for n := from; n <= to; n += step {
			s.has[(n-f.low)%len(s.has)] = true
		}
	}
	return s, nil
}

// span reads one item: *, n, n-m, and each of them with /step.
func (f field) span(item string) (from, to, step int, err error) {
	step = 1
	body, by, stepped := strings.Cut(item, "/")
	if stepped {
		if step, err = strconv.Atoi(by); err != nil || step < 1 || step > f.high {
			return 0, 0, 0, invalid("%s: %q is no step", f.name, item)
		}
	}
	if body == "*" {
		return f.low, f.high, step, nil
	}
	first, last, ranged := strings.Cut(body, "-")
	if from, err = f.number(first); err != nil {
		return 0, 0, 0, err
	}
	switch {
	case ranged:
		to, err = f.number(last)
	case stepped:
		to = f.high
	default:
		to = from
	}
	return from, to, step, err
}

func (f field) number(text string) (int, error) {
	for i, n := range f.names {
		if strings.EqualFold(n, text) {
			return f.low + i, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.low || n > f.high {
		return 0, invalid("%s: %q is not between %d and %d", f.name, text, f.low, f.high)
	}
	return n, nil
}

// dayRule says whether a day is meant: any rule of a field may.
type dayRule func(day time.Time) bool

// parseDays reads a day of month: a set, L for the last day, and W for the
// weekday nearest to a day. No rules are every day.
func parseDays(text string) ([]dayRule, error) {
	if text == "?" || text == "*" {
		return nil, nil
	}
	var out []dayRule
	for item := range strings.SplitSeq(text, ",") {
		day, near := strings.CutSuffix(strings.ToUpper(item), "W")
		n, err := days.number(day)
		switch {
		case item == "L" || item == "l":
			out = append(out, func(t time.Time) bool { return t.Day() == lastDay(t) })
		case near && day == "L":
			out = append(out, func(t time.Time) bool { return t.Day() == nearestWeekday(t, lastDay(t)) })
		case near && err != nil:
			return nil, err
		case near:
			out = append(out, func(t time.Time) bool { return t.Day() == nearestWeekday(t, n) })
		default:
			s, err := days.set(item)
			if err != nil {
				return nil, err
			}
			out = append(out, func(t time.Time) bool { return s.in(t.Day()) })
		}
	}
	return out, nil
}

// parseWeekdays reads a day of week: a set, nL for the last such day of the
// month, and n#k for the k-th. No rules are every day.
func parseWeekdays(text string) ([]dayRule, error) {
	if text == "?" || text == "*" {
		return nil, nil
	}
	number := func(t time.Time) int { return int(t.Weekday()) + 1 }
	var out []dayRule
	for item := range strings.SplitSeq(text, ",") {
		name, count, nth := strings.Cut(item, "#")
		last, isLast := strings.CutSuffix(strings.ToUpper(item), "L")
		switch {
		case nth:
			n, err := weekdays.number(name)
			k, err2 := strconv.Atoi(count)
			if err != nil || err2 != nil || k < 1 || k > 5 {
				return nil, invalid("day of week: %q is no day of a week of the month", item)
			}
			out = append(out, func(t time.Time) bool { return number(t) == n && (t.Day()-1)/7 == k-1 })
		case isLast && last == "":
			out = append(out, func(t time.Time) bool { return t.Weekday() == time.Saturday })
		case isLast:
			n, err := weekdays.number(last)
			if err != nil {
				return nil, err
			}
			out = append(out, func(t time.Time) bool { return number(t) == n && t.Day()+7 > lastDay(t) })
		default:
			s, err := weekdays.set(item)
			if err != nil {
				return nil, err
			}
			out = append(out, func(t time.Time) bool { return s.in(number(t)) })
		}
	}
	return out, nil
}

func lastDay(t time.Time) int { return time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day() }

// nearestWeekday is the working day nearest to a day, in the same month.
func nearestWeekday(t time.Time, day int) int {
	day = min(day, lastDay(t))
	switch time.Date(t.Year(), t.Month(), day, 0, 0, 0, 0, time.UTC).Weekday() {
	case time.Saturday:
		if day == 1 {
			return 3
		}
		return day - 1
	case time.Sunday:
		if day == lastDay(t) {
			return day - 2
		}
		return day + 1
	default:
		return day
	}
}

func (c *cron) on(day time.Time) bool {
	if !c.year.in(day.Year()) || !c.month.in(int(day.Month())) {
		return false
	}
	rules := c.day
	if rules == nil {
		rules = c.weekday
	}
	for _, r := range rules {
		if r(day) {
			return true
		}
	}
	return rules == nil
}

// next looks day by day, since the fields that matter most are about days.
func (c *cron) next(after time.Time, zone *time.Location) (time.Time, bool) {
	local := after.In(zone)
	// Dates are kept in UTC, where every one has a midnight.
	day := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC)
	for day.Year() <= years.high {
		switch {
		case !c.year.in(day.Year()):
			day = time.Date(day.Year()+1, 1, 1, 0, 0, 0, 0, time.UTC)
			continue
		case !c.month.in(int(day.Month())):
			day = time.Date(day.Year(), day.Month()+1, 1, 0, 0, 0, 0, time.UTC)
			continue
		case c.on(day):
			if t, ok := c.within(day, after, zone); ok {
				return t, true
			}
		}
		day = day.AddDate(0, 0, 1)
	}
	return time.Time{}, false
}

// within finds the first time of a day after a moment. Where a clock is put
// forward, a time that does not exist is the one that the clock shows instead.
func (c *cron) within(day, after time.Time, zone *time.Location) (time.Time, bool) {
	for h := range 24 {
		if !c.hour.in(h) || !time.Date(day.Year(), day.Month(), day.Day(), h, 59, 59, 0, zone).After(after) {
			continue
		}
		for m := range 60 {
			if !c.minute.in(m) {
				continue
			}
			for s := range 60 {
				if !c.second.in(s) {
					continue
				}
				if t := time.Date(day.Year(), day.Month(), day.Day(), h, m, s, 0, zone); t.After(after) {
					return t, true
				}
			}
		}
	}
	return time.Time{}, false
}
