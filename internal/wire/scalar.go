package wire

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

func (f *filler) fillScalar(s *Shape, v reflect.Value, x any, path, times string) error {
	ok := false
	switch s.Kind {
	case String:
		var t string
		if t, ok = f.text(x); ok {
			v.SetString(t)
		}
	case Integer:
		var n int64
		if n, ok = f.integer(x); ok {
			v.SetInt(n)
		}
	case Float:
		var n float64
		if n, ok = f.float(x); ok {
			v.SetFloat(n)
		}
	case Boolean:
		var b bool
		if b, ok = f.boolean(x); ok {
			v.SetBool(b)
		}
	case Timestamp:
		var t time.Time
		if t, ok = f.time(x, times); ok {
			v.Set(reflect.ValueOf(t))
		}
	case Blob:
		var b []byte
		if b, ok = f.bytes(x); ok {
			v.SetBytes(b)
		}
	default:
	}
	if !ok {
		return &mismatch{path, x, s}
	}
	return nil
}

func (f *filler) text(x any) (string, bool) {
	if t, ok := x.(string); ok {
		return t, true
	}
	if !f.loose {
		return "", false
	}
	switch t := x.(type) {
	case bool:
		return strconv.FormatBool(t), true
	case json.Number:
		return t.String(), true
	case int:
		return strconv.Itoa(t), true
	case int64:
		return strconv.FormatInt(t, 10), true
	case float64:
		if t == math.Trunc(t) && math.Abs(t) < 1e15 {
			return strconv.FormatInt(int64(t), 10), true
		}
		return strconv.FormatFloat(t, 'g', -1, 64), true
	case time.Time:
		return t.UTC().Format(time.RFC3339), true
	case map[string]any, []any:
		b, err := json.Marshal(t)
		return string(b), err == nil
	default:
		return "", false
	}
}

func (f *filler) integer(x any) (int64, bool) {
	switch t := x.(type) {
	case int64:
		return t, true
	case int:
		return int64(t), true
	case uint64:
		return int64(t), t <= math.MaxInt64
	case float64:
		// The bounds are exact powers of two; MaxInt64 itself is none.
		return int64(t), t == math.Trunc(t) && t >= -1<<63 && t < 1<<63
	case json.Number:
		if n, err := strconv.ParseInt(t.String(), 10, 64); err == nil {
			return n, true
		}
		n, err := t.Float64()
		if err != nil {
			return 0, false
		}
		return f.integer(n)
	case string:
		if !f.loose {
			return 0, false
		}
		return f.integer(json.Number(strings.TrimSpace(t)))
	default:
		return 0, false
	}
}

func (f *filler) float(x any) (float64, bool) {
	switch t := x.(type) {
	case float64:
		return t, true
	case float32:
		return float64(t), true
	case int64:
		return float64(t), true
	case int:
		return float64(t), true
	case uint64:
		return float64(t), true
	case json.Number:
		n, err := t.Float64()
		return n, err == nil
	case string:
		switch t {
		case "NaN":
			return math.NaN(), true
		case "Infinity":
			return math.Inf(1), true
		case "-Infinity":
			return math.Inf(-1), true
		}
		if !f.loose {
			return 0, false
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(t), 64)
		return n, err == nil
	default:
		return 0, false
	}
}

func (f *filler) boolean(x any) (bool, bool) {
	switch t := x.(type) {
	case bool:
		return t, true
	case string:
		if !f.loose {
			return false, false
		}
		switch strings.ToLower(t) {
		case "true":
			return true, true
		case "false":
			return false, true
		}
	}
	return false, false
}

func (f *filler) time(x any, format string) (time.Time, bool) {
	switch t := x.(type) {
	case time.Time:
		return t, true
	case string:
		return parseTime(t, format)
	default:
		n, ok := f.float(x)
		if !ok || math.IsNaN(n) || math.Abs(n) > 1e14 {
			return time.Time{}, false
		}
		return fromEpoch(n), true
	}
}

func (f *filler) bytes(x any) ([]byte, bool) {
	switch t := x.(type) {
	case []byte:
		return t, true
	case string:
		b, err := base64.StdEncoding.DecodeString(t)
		return b, err == nil
	default:
		return nil, false
	}
}

// plain gives a document's numbers Go's own types.
func plain(x any) any {
	switch t := x.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(t.String(), 10, 64); err == nil {
			return n
		}
		n, _ := t.Float64()
		return n
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, v := range t {
			out[k] = plain(v)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, v := range t {
			out[i] = plain(v)
		}
		return out
	default:
		return x
	}
}
