package registry

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"berth/internal/fault"
	"berth/internal/ident"
)

// TokenLife is how long a token of GetAuthorizationToken is good (ECR: twelve
// hours).
const TokenLife = 12 * time.Hour

// Tokens makes and checks the passwords that go with the user AWS, and the
// signatures of layer addresses. They carry what they say, so nothing is kept
// but the key.
type Tokens struct{ key []byte }

// keyBytes is how long the key is.
const keyBytes = 32

// OpenTokens reads the key in dir, or makes one. One of another length was cut,
// and whoever knows an empty one could sign with it: it is made anew, and who has
// a password asks for another.
func OpenTokens(dir string, ids *ident.Source) (*Tokens, error) {
	path := filepath.Join(dir, "token.key")
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(key) != keyBytes {
		key = ids.Bytes(keyBytes)
		err = errors.Join(os.WriteFile(path+".new", key, 0o600), os.Rename(path+".new", path))
	}
	if err != nil {
		return nil, fmt.Errorf("open key of registry tokens: %w", err)
	}
	return &Tokens{key}, nil
}

type claim struct {
	Principal ident.Principal `json:"p"`
	Expires   time.Time       `json:"e"`
}

// Issue makes a password for a principal.
func (t *Tokens) Issue(p ident.Principal, now time.Time) (password string, expires time.Time, err error) {
	expires = now.Add(TokenLife)
	body, err := json.Marshal(claim{p, expires})
	if err != nil {
		return "", expires, fmt.Errorf("encode token: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(body)
	return text + "." + t.sign(text), expires, nil
}

// Check reads a password.
func (t *Tokens) Check(password string, now time.Time) (ident.Principal, error) {
	text, sig, ok := strings.Cut(password, ".")
	if !ok || subtle.ConstantTimeCompare([]byte(sig), []byte(t.sign(text))) != 1 {
		return ident.Principal{}, fault.New(fault.Denied, "", "Not Authorized")
	}
	body, err := base64.RawURLEncoding.DecodeString(text)
	var c claim
	if err == nil {
		err = json.Unmarshal(body, &c)
	}
	if err != nil {
		return ident.Principal{}, fault.New(fault.Denied, "", "Not Authorized")
	}
	if now.After(c.Expires) {
		return ident.Principal{}, fault.New(fault.Denied, "", "Your authorization token has expired. Reauthenticate and try again.")
	}
	return c.Principal, nil
}

func (t *Tokens) sign(text string) string {
	m := hmac.New(sha256.New, t.key)
	_, _ = m.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// urlLife is how long the address of a layer is good.
const urlLife = time.Hour

func (t *Tokens) signPath(path string, now time.Time) string {
	expires := strconv.FormatInt(now.Add(urlLife).Unix(), 10)
	return path + "?expires=" + expires + "&signature=" + t.sign("GET "+path+" "+expires)
}

func (t *Tokens) checkPath(path, expires, signature string, now time.Time) bool {
	at, err := strconv.ParseInt(expires, 10, 64)
	good := subtle.ConstantTimeCompare([]byte(signature), []byte(t.sign("GET "+path+" "+expires))) == 1
	return err == nil && good && now.Unix() <= at
}
