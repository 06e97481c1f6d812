package mirror

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"

	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/lang/reference"
	"berth/internal/registry"
)

// LoginHeader is the header in which an agent says as whom a registry is asked for
// a task, as clients say it to Docker's engine: base64 of JSON.
const LoginHeader = "X-Registry-Auth"

// loginOf reads that header.
func loginOf(r *http.Request) (registry.Login, error) {
	text := r.Header.Get(LoginHeader)
	if text == "" {
		return registry.Login{}, nil
	}
	var said struct{ Username, Password string }
	data, err := base64.URLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(data, &said)
	}
	if err != nil || said.Username == "" {
		return registry.Login{}, fault.New(fault.Invalid, "", "the header %s cannot be read", LoginHeader)
	}
	return registry.Login{User: said.Username, Password: said.Password}, nil
}

// wanted is an image as somebody asks for it. What came with a login of a task's
// own is kept apart, and served to the same login alone: whoever has another has
// to be let in by the registry first.
type wanted struct {
	reference.Ref
	login registry.Login
	whose string // the login, so that nobody learns it from a folder's name; "" is the user's
}

func (m *Mirror) wants(r reference.Ref, l registry.Login) wanted {
	if l.User == "" {
		return wanted{Ref: r}
	}
	sum := hmac.New(sha256.New, m.salt)
	sum.Write([]byte(l.User + "\x00" + l.Password))
	return wanted{Ref: r, login: l, whose: "login-" + hex.EncodeToString(sum.Sum(nil)[:8])}
}

// key names the image and whose it is.
func (w wanted) key() string {
	if w.whose == "" {
		return w.String()
	}
	return w.String() + " " + w.whose
}

// repo is where in the store an image is.
func repo(w wanted) registry.Repo {
	r := registry.Repo{Account: w.Registry, Name: w.Repository}
	if w.whose != "" {
		r.Account += "+" + w.whose
	}
	return r
}

// wanted is what a record is of; it cannot be fetched with it.
func (r record) wanted() (wanted, bool) {
	ref, err := reference.Parse(r.Ref)
	return wanted{Ref: ref, whose: r.Whose}, err == nil
}

// keychain is with whose login a registry is asked.
func (m *Mirror) keychain(w wanted) authn.Keychain {
	if w.whose == "" {
		return m.Keychain
	}
	return own(w.login)
}

// own is a keychain with one login.
type own registry.Login

// Resolve implements authn.Keychain.
func (o own) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig{Username: o.User, Password: o.Password}), nil
}

// salted is what the folder's names of logins are made with.
func salted(dir string, ids *ident.Source) ([]byte, error) {
	const size = 32
	file := filepath.Join(dir, "salt")
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		data = ids.Bytes(size)
		err = registry.WriteFile(file, data)
	}
	if err == nil && len(data) != size {
		err = fmt.Errorf("%d bytes, not %d", len(data), size)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return data, nil
}
