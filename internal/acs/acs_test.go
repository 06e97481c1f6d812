package acs_test

import (
	"encoding/json"
	"testing"
	"time"

	"berth/internal/acs"
)

func TestFramesWithAndWithoutHeaderLines(t *testing.T) {
	plain, err := acs.Encode(acs.TypeAck, acs.Ack{MessageID: "m"})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := acs.EncodeSigned([][2]string{{"Host", "ecs-t"}, {"X-Amz-Date", "d"}}, acs.TypeAck, acs.Ack{MessageID: "m"})
	if err != nil {
		t.Fatal(err)
	}
	for _, frame := range [][]byte{plain, signed} {
		e, err := acs.Decode(frame)
		if err != nil || e.Type != acs.TypeAck || string(e.Message) != `{"messageId":"m"}` {
			t.Errorf("%q: %+v, %v", frame, e, err)
		}
	}
	for _, bad := range []string{"", "x", "{}", `{"type":""}`, "Host: x\r\n\r\n", `{"type":1}`} {
		if e, err := acs.Decode([]byte(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, e)
		}
	}
}

func TestStampsAreSecondsWithAFraction(t *testing.T) {
	at := time.UnixMilli(1700000000123).UTC()
	b, err := json.Marshal(acs.Stamp(at))
	if err != nil || string(b) != "1700000000.123" {
		t.Errorf("%s, %v", b, err)
	}
	var s acs.Stamp
	if err := json.Unmarshal(b, &s); err != nil || !time.Time(s).Equal(at) {
		t.Errorf("%v, %v", time.Time(s), err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"type":"A","message":{}}`, "A: b\r\n\r\n{\"type\":\"A\"}", "\r\n\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := acs.Decode(b)
		if err == nil && e.Type == "" {
			t.Errorf("%q has no type", b)
		}
	})
}
