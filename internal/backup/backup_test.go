package backup_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"berth/internal/backup"
	"berth/internal/fault"
)

var header = backup.Header{Version: "1", At: time.Unix(1e9, 0).UTC(), Region: "eu-west-1", Account: "000000000000", State: 2, Revision: 7}

// made is a backup with so many pairs, which are in several pieces if there are
// many, and two files.
func made(t testing.TB, pairs int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := backup.NewWriter(&out, header)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Pairs("state", func(put func(k, v []byte) error) error {
		for i := range pairs {
			if err := put(fmt.Appendf(nil, "key %d", i), bytes.Repeat([]byte{byte(i)}, 10_000)); err != nil {
				return err
			}
		}
		return put([]byte("empty"), nil)
	}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/b.txt", "c"} {
		if err := w.File(name, 5, strings.NewReader("hello")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// read is all that a backup has, as text.
func read(b []byte) (backup.Header, map[string]string, error) {
	all := map[string]string{}
	got, err := backup.Open(bytes.NewReader(b), int64(len(b)), nil)
	if err != nil {
		return backup.Header{}, nil, err
	}
	return got.Header, all, got.Read(backup.Sink{
		Pair: func(set string, k, v []byte) error { all[set+"/"+string(k)] = string(v); return nil },
		File: func(name string, _ int64, body io.Reader) error {
			text, err := io.ReadAll(body)
			all["file/"+name] = string(text)
			return err
		},
	})
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	b := made(t, 300)
	h, all, err := read(b)
	if err != nil || h != header || len(all) != 303 || all["state/key 299"] != strings.Repeat("+", 10_000) || all["file/a/b.txt"] != "hello" {
		t.Errorf("%+v with %d parts: %v", h, len(all), err)
	}
	if len(b) > 100_000 {
		t.Errorf("3 MB of repetition take %d bytes", len(b))
	}
	done, total := int64(0), int64(0)
	_, err = backup.Open(bytes.NewReader(b), int64(len(b)), func(d, n int64) { done, total = d, n })
	if err != nil || done != total || total == 0 {
		t.Errorf("told of %d of %d: %v", done, total, err)
	}
}

// A backup that was cut anywhere or has a bit changed anywhere is refused before
// anything of it is handed on.
func TestDamagedBackupsAreRefused(t *testing.T) {
	t.Parallel()
	b := made(t, 3)
	for at := range b {
		changed := bytes.Clone(b)
		changed[at] ^= 1 << (at % 8)
		for what, bad := range map[string][]byte{"cut": b[:at], "changed": changed} {
			if _, _, err := read(bad); !fault.Is(err, fault.Invalid) || err.Error() == "" {
				t.Fatalf("%s at %d of %d: %v", what, at, len(b), err)
			}
		}
	}
	b = made(t, 300)
	for text, bad := range map[string][]byte{
		"it is no backup of Berth":             []byte("PK\x03\x04 something else"),
		"its end was changed: the last line":   b[:len(b)-1],
		"(in or after state:":                  flipped(b, 20+(len(b)-20-86)/2),
		"it has format 9 and this berth reads": bytes.Replace(b, []byte("backup 1"), []byte("backup 9"), 1),
	} {
		if _, _, err := read(bad); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v, want %s", err, text)
		}
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x10
	return b
}

func TestNamesStayBelow(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/"} {
		w, err := backup.NewWriter(io.Discard, header)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.File(name, 0, strings.NewReader("")); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", name, err)
		}
		w.Abandon()
	}
}

// FuzzRead reads what stands between right first and last lines.
func FuzzRead(f *testing.F) {
	b := made(f, 3)
	const end = len("end of backup, sha256 \n") + 64
	f.Add(b[len("berth backup 1\n") : len(b)-end])
	f.Fuzz(func(_ *testing.T, body []byte) {
		all := append([]byte("berth backup 1\n"), body...)
		all = fmt.Appendf(all, "end of backup, sha256 %x\n", sha256.Sum256(all))
		_, _, _ = read(all)
	})
}
