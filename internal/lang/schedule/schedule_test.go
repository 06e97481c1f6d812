package schedule_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"berth/internal/fault"
	"berth/internal/lang/schedule"
)

func moment(s string) time.Time {
	t, err := time.Parse("2006-01-02T15:04:05", s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestNext(t *testing.T) {
	for _, c := range []struct{ expr, zone, after, want string }{
		{"at(2026-08-01T09:00:00)", "", "2026-07-01T00:00:00", "2026-08-01T09:00:00"},
		{"at(2026-08-01T9:36:00)", "America/New_York", "2026-07-01T00:00:00", "2026-08-01T13:36:00"},
		{"at(2026-08-01T09:00:00)", "", "2026-08-01T09:00:00", ""},
		{"rate(5 minutes)", "", "2026-08-01T00:00:00", "2026-08-01T00:03:00"}, // its anchor is 23:58
		{"rate(1 day)", "", "2026-08-01T00:00:00", "2026-08-01T23:58:00"},
		{"cron(0 10 * * ? *)", "", "2026-08-01T10:00:00", "2026-08-02T10:00:00"},
		{"cron(15 12 * * ? *)", "", "2026-08-01T10:00:00", "2026-08-01T12:15:00"},
		{"cron(0 18 ? * MON-FRI *)", "", "2026-07-31T18:00:00", "2026-08-03T18:00:00"}, // over a weekend
		{"cron(0 18 ? * FRI-MON *)", "", "2026-08-03T18:00:00", "2026-08-07T18:00:00"},
		{"cron(0 8 1 * ? *)", "", "2026-08-01T08:00:00", "2026-09-01T08:00:00"},
		{"cron(0/15 * * * ? *)", "", "2026-08-01T10:45:00", "2026-08-01T11:00:00"},
		{"cron(0/5 8-17 ? * MON-FRI *)", "", "2026-08-03T17:55:00", "2026-08-04T08:00:00"},
		{"cron(30 6 ? * 2 *)", "", "2026-08-01T00:00:00", "2026-08-03T06:30:00"}, // 1 is Sunday
		{"cron(0 9 L * ? *)", "", "2026-02-01T00:00:00", "2026-02-28T09:00:00"},
		{"cron(0 9 15W * ? *)", "", "2026-08-01T00:00:00", "2026-08-14T09:00:00"}, // the 15th is a Saturday
		{"cron(0 9 1W * ? *)", "", "2026-07-31T00:00:00", "2026-08-03T09:00:00"},  // the 1st is, too: not the month before
		{"cron(0 9 ? * 6L *)", "", "2026-08-01T00:00:00", "2026-08-28T09:00:00"},
		{"cron(0 9 ? * TUE#2 *)", "", "2026-08-01T00:00:00", "2026-08-11T09:00:00"},
		{"cron(0 9 29 2 ? *)", "", "2026-08-01T00:00:00", "2028-02-29T09:00:00"},
		{"cron(0 9 30 2 ? *)", "", "2026-08-01T00:00:00", ""},
		{"cron(0 9 1 1 ? 2025)", "", "2026-08-01T00:00:00", ""},
		{"cron(0 9 1 JAN,jul ? 2027-2030)", "", "2026-08-01T00:00:00", "2027-01-01T09:00:00"},
		{"cron(10 30 6 * * ? *)", "", "2026-08-01T00:00:00", "2026-08-01T06:30:10"}, // with seconds
		{"cron(0 9 * * ? *)", "Asia/Tokyo", "2026-08-01T00:00:00", "2026-08-02T00:00:00"},
		{"cron(0 9 * * ? *)", "Europe/Berlin", "2026-03-28T08:00:00", "2026-03-29T07:00:00"}, // summer time begins
		{"cron(0 9 * * ? *)", "Europe/Berlin", "2026-10-24T07:00:00", "2026-10-25T08:00:00"}, // and ends
	} {
		zone, err := schedule.Zone(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		s, err := schedule.Parse(c.expr, zone)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		got, ok := s.Next(moment(c.after), moment("2026-07-31T23:58:00"))
		if ok != (c.want != "") || ok && got.Format("2006-01-02T15:04:05") != c.want {
			t.Errorf("%s %s after %s: %s, %t; want %s", c.expr, c.zone, c.after, got, ok, c.want)
		}
	}
}

func TestATimeThatSummerTimeSkipsComesAllTheSame(t *testing.T) {
	zone, _ := schedule.Zone("Europe/Berlin")
	s, err := schedule.Parse("cron(30 2 * * ? *)", zone)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := s.Next(moment("2026-03-28T12:00:00"), time.Time{})
	if d := got.Sub(moment("2026-03-29T01:00:00")).Abs(); d > 30*time.Minute {
		t.Errorf("%s", got)
	}
}

func TestWhatIsNoSchedule(t *testing.T) {
	for expr, says := range map[string]string{
		"":                               "none of at",
		"every day":                      "none of at",
		"at(tomorrow)":                   "yyyy-mm-ddThh:mm:ss",
		"rate(5)":                        "a value and a unit",
		"rate(0 minutes)":                "positive number",
		"rate(5 weeks)":                  "unit is none of",
		"rate(99999999 days)":            "too great",
		"cron(0 9 * *)":                  "4 fields",
		"cron(60 9 * * ? *)":             `minutes: "60" is not between 0 and 59`,
		"cron(0 9 1 * 2 *)":              "must be ? or *",
		"cron(0 9 ? * TUE#9 *)":          "no day of a week of the month",
		"cron(0 9 0W * ? *)":             "day of month",
		"cron(0 9 ? * XXL *)":            "day of week",
		"cron(0/0 9 * * ? *)":            "no step",
		"cron(0 9 * FOO ? *)":            "month",
		"cron(0 9 * * ? 1800)":           "year",
		"cron(0 9 * * ? *) cron(* * * *": "none of at",
	} {
		if _, err := schedule.Parse(expr, time.UTC); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", expr, err)
		}
	}
	for _, name := range []string{"Mars/Phobos", "Local", "../etc/passwd"} {
		if _, err := schedule.Zone(name); err == nil {
			t.Errorf("time zone %s is known", name)
		}
	}
}

// TestLaws: the next time is later, nothing lies between, and asking again
// goes on from there.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		expr := rapid.SampledFrom([]string{
			"rate(7 minutes)", "rate(2 days)", "cron(0/7 * * * ? *)", "cron(0 0 ? * SUN *)", "cron(5,50 1-3 L * ? *)", "cron(30 23 ? * 2#1 *)",
			"cron(0 12 15W * ? *)",
		}).Draw(t, "expr")
		s, err := schedule.Parse(expr, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		anchor := moment("2026-01-01T00:00:30")
		after := anchor.Add(time.Duration(rapid.Int64Range(0, 5e8).Draw(t, "after")) * time.Second)
		next, ok := s.Next(after, anchor)
		if !ok || !next.After(after) {
			t.Fatalf("%s after %s is %s", expr, after, next)
		}
		between := after.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(after))-1).Draw(t, "between")))
		if again, _ := s.Next(between, anchor); !again.Equal(next) {
			t.Fatalf("%s: %s after %s but %s after %s", expr, next, after, again, between)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"at(2026-08-01T09:00:00)", "rate(5 minutes)", "cron(0 18 ? * MON-FRI *)", "cron(0/5 8-17 ? * 2#3 2027)", "cron(0 9 LW * ? *)",
		"cron(0 0 9 31W * ? *)", "cron(59-1/7 * ? * 6L *)",
	} {
		f.Add(s)
	}
	after := moment("2026-08-01T00:00:00")
	zone, err := schedule.Zone("America/New_York")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := schedule.Parse(text, zone)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if next, ok := s.Next(after, after); ok && !next.After(after) {
			t.Fatalf("%q is next due at %s", text, next)
		}
	})
}
