package registry_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"berth/internal/await"
	"berth/internal/ident"
	"berth/internal/registry"
)

// While one request writes an upload no other may write, finish or cancel it: what
// came after the digest was taken would stand in a blob that all repositories share.
func TestAnUploadIsOneRequestsAtATime(t *testing.T) {
	dir := t.TempDir()
	l := newLab(t, dir)
	host := "http://" + l.serve(t)
	where := host + call(t, "POST", host+"/v2/web/blobs/uploads/", nil).Header.Get("Location")
	id := filepath.Base(where)
	body, write := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, where, body)
	if err != nil {
		t.Fatal(err)
	}
	patched := make(chan int, 1)
	go func() {
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			close(patched)
			return
		}
		_ = r.Body.Close()
		patched <- r.StatusCode
	}()
	good, evil := []byte("good"), []byte(" and evil")
	if _, err := write.Write(good); err != nil {
		t.Fatal(err)
	}
	await.True(t, "what was written", func() bool {
		info, err := os.Stat(filepath.Join(dir, "uploads", id))
		return err == nil && info.Size() == int64(len(good))
	})
	for method, query := range map[string]string{"PUT": "?digest=" + sum(good), "PATCH": "", "DELETE": ""} {
		if r := call(t, method, where+query, nil); r.StatusCode != http.StatusRequestedRangeNotSatisfiable {
			t.Errorf("%s while another writes: %d %s", method, r.StatusCode, text(r))
		}
	}
	web := registry.Repo{Account: place.Account, Name: "web"}
	if err := l.store.Finish(t.Context(), web, id, sum(good)); err == nil {
		t.Error("it was finished while another writes")
	}
	if _, err := write.Write(evil); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	if code := <-patched; code != http.StatusAccepted {
		t.Errorf("the one that writes: %d", code)
	}
	if r := call(t, "PUT", where+"?digest="+sum(good), nil); r.StatusCode != http.StatusBadRequest {
		t.Errorf("with the digest of the half: %d", r.StatusCode)
	}
	all := append(good, evil...)
	if r := call(t, "PUT", where+"?digest="+sum(all), nil); r.StatusCode != http.StatusCreated {
		t.Errorf("with its own: %d %s", r.StatusCode, text(r))
	}
}

// A layer of another repository is mounted for who may read it there; for others
// an upload begins, as if it were not there.
func TestAMountNeedsTheRightToRead(t *testing.T) {
	l := newLab(t, t.TempDir())
	host := "http://" + l.serve(t)
	layer := []byte("secret")
	if r := call(t, "POST", host+"/v2/other/blobs/uploads/?digest="+sum(layer), layer); r.StatusCode != http.StatusCreated {
		t.Fatal(r.Status)
	}
	for role, code := range map[string]int{"writer of web": http.StatusAccepted, "": http.StatusCreated} {
		p := ident.Principal{Role: role, Root: role == "", ARN: "arn:aws:sts::" + place.Account + ":assumed-role/r/x"}
		password, _, err := l.tokens.Issue(p, l.clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		login := "Basic " + base64.StdEncoding.EncodeToString([]byte("AWS:"+password))
		r := call(t, "POST", host+"/v2/web/blobs/uploads/?from=other&mount="+sum(layer), nil, "Authorization", login)
		if r.StatusCode != code {
			t.Errorf("%q: %d %s", role, r.StatusCode, text(r))
		}
	}
}

// A layer is not read to its end for who has gone.
func TestALayerIsReadDuringItsRequest(t *testing.T) {
	l, web := newLab(t, t.TempDir()), registry.Repo{Account: place.Account, Name: "web"}
	id, err := l.store.StartUpload(web)
	if err == nil {
		_, err = l.store.Append(web, id, 0, bytes.NewReader([]byte("a layer")))
	}
	if err != nil {
		t.Fatal(err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	digest := sum([]byte("a layer"))
	if err := l.store.Finish(gone, web, id, digest); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := l.store.Finish(t.Context(), web, id, digest); err != nil {
		t.Error(err)
	}
}
