package scaling

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/internal/model"
)

// The texts of CloudWatch, as alarms of real accounts show them.

var words = map[string]string{
	"GreaterThanThreshold": "greater than", "GreaterThanOrEqualToThreshold": "greater than or equal to",
	"LessThanThreshold": "less than", "LessThanOrEqualToThreshold": "less than or equal to",
}

// reason words a state as CloudWatch does.
func reason(a model.Alarm, state model.AlarmState, real []Point, c count) string {
	switch {
	case state == model.AlarmInsufficientData:
		return fmt.Sprintf("Insufficient Data: %s unknown.", were(c.missing(), "datapoint"))
	case c.missing() > 0 && c.bad < c.m && (a.TreatMissing == "breaching" || a.TreatMissing == "notBreaching"):
		return filled(a, c)
	}
	var shown []string
	for _, p := range real {
		if breaches(a, p.Value) == (state == model.AlarmFiring) {
			shown = append(shown, number(p.Value)+" ("+p.At.Format("02/01/06 15:04:05")+")")
		}
	}
	not, least, move := "", c.m, "OK -> ALARM"
	if state == model.AlarmOK {
		not, least, move = "not ", c.n-c.m+1, "ALARM -> OK"
	}
	verb := "were"
	if len(shown) == 1 {
		verb = "was"
	}
	return fmt.Sprintf("Threshold Crossed: %d out of the last %d datapoints [%s] %s %s%s the threshold (%s) (minimum %s for %s transition).",
		len(shown), len(real), strings.Join(shown, ", "), verb, not, words[a.Comparison], number(a.Threshold), many(least, "datapoint"), move)
}

// filled words a state that missing points decided.
func filled(a model.Alarm, c count) string {
	as := "NonBreaching"
	if a.TreatMissing == "breaching" {
		as = "Breaching"
	}
	received := "no datapoints were"
	if n := c.good + c.bad; n > 0 {
		received = were(n, "datapoint")
	}
	missing := "1 missing datapoint was"
	if c.missing() != 1 {
		missing = strconv.Itoa(c.missing()) + " missing datapoints were"
	}
	return fmt.Sprintf("Threshold Crossed: %s received for %s and %s treated as [%s].", received, many(c.n, "period"), missing, as)
}

func many(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func were(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " was"
	}
	return many(n, noun) + " were"
}

// number writes a figure as CloudWatch does: with a decimal point, and with an
// exponent when it is very great or very small.
func number(v float64) string {
	if abs := math.Abs(v); abs >= 1e7 || abs != 0 && abs < 1e-3 {
		digits, exp, _ := strings.Cut(strconv.FormatFloat(v, 'e', -1, 64), "e")
		if !strings.Contains(digits, ".") {
			digits += ".0"
		}
		n, _ := strconv.Atoi(exp) // FormatFloat wrote it
		return digits + "E" + strconv.Itoa(n)
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// figure is a number as number writes it, in JSON.
type figure float64

// MarshalJSON implements json.Marshaler.
func (f figure) MarshalJSON() ([]byte, error) { return []byte(number(float64(f))), nil }

type evaluated struct {
	Timestamp   string `json:"timestamp"`
	SampleCount figure `json:"sampleCount"`
	Value       figure `json:"value"`
}

// data is StateReasonData, with points oldest first.
func data(a model.Alarm, real []Point, now time.Time) string {
	const layout = "2006-01-02T15:04:05.000-0700"
	d := struct {
		Version   string      `json:"version"`
		Query     string      `json:"queryDate"`
		Start     string      `json:"startDate,omitempty"`
		Unit      string      `json:"unit,omitempty"`
		Statistic string      `json:"statistic"`
		Period    int64       `json:"period"`
		Recent    []figure    `json:"recentDatapoints"`
		Threshold figure      `json:"threshold"`
		Evaluated []evaluated `json:"evaluatedDatapoints,omitempty"`
	}{
		Version: "1.0", Query: now.UTC().Format(layout), Unit: a.Unit, Statistic: cmp.Or(a.Statistic, a.ExtendedStatistic), Period: a.Period,
		Recent: []figure{}, Threshold: figure(a.Threshold),
	}
	for _, p := range slices.Backward(real) {
		if d.Start == "" {
			d.Start = p.At.UTC().Format(layout)
		}
		d.Recent = append(d.Recent, figure(p.Value))
	}
	for _, p := range real {
		d.Evaluated = append(d.Evaluated, evaluated{p.At.UTC().Format(layout), figure(p.Count), figure(p.Value)})
	}
	b, err := json.Marshal(d)
	if err != nil {
		return "" // a figure that is no number: there is nothing to tell a machine
	}
	return string(b)
}
