package wire

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

const (
	iso8601     = "2006-01-02T15:04:05Z"
	iso8601msec = "2006-01-02T15:04:05.000Z"
)

var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05", "2006-01-02", http.TimeFormat, time.RFC1123Z,
}

// parseTime reads a time in the format that a model names, or in whichever it
// is: clients send epoch seconds where ISO 8601 is meant, and the reverse.
func parseTime(s, format string) (time.Time, bool) {
	if format != "rfc822" && format != "iso8601" {
		if n, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(n) && math.Abs(n) < 1e14 {
			return fromEpoch(n), true
		}
	}
	for _, l := range timeLayouts {
		if t, err := time.Parse(l, s); err == nil {
			return t.UTC(), true
		}
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(n) && math.Abs(n) < 1e14 {
		return fromEpoch(n), true
	}
	return time.Time{}, false
}

func fromEpoch(n float64) time.Time {
	return time.UnixMilli(int64(math.Round(n * 1000))).UTC()
}

// epoch writes seconds since 1970 with as many of three decimals as needed.
func epoch(t time.Time) string {
	ms := t.UnixMilli()
	if ms%1000 == 0 {
		return strconv.FormatInt(ms/1000, 10)
	}
	return strconv.FormatFloat(float64(ms)/1000, 'f', 3, 64)
}

func formatTime(t time.Time, format string) string {
	switch format {
	case "rfc822":
		return t.UTC().Format(http.TimeFormat)
	case "unixTimestamp":
		return epoch(t)
	case "seconds":
		return t.UTC().Format(iso8601)
	default:
		return t.UTC().Format(iso8601msec)
	}
}
