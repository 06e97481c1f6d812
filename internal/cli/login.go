package cli

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/internal/ident"
	"berth/internal/wire"
)

// login is what `berth login` was told, and what it found out.
type login struct {
	*app
	in                        *bufio.Reader
	url                       *url.URL
	profile, region, ca, mark string
	yes                       bool
	key                       ident.Key
	bundle                    []byte // PEM; nil: the machine trusts the server already
	// configFile, credentials and caTarget are the files to write.
	configFile, credentials, caTarget string
}

func (a *app) login() *cobra.Command {
	l := &login{app: a}
	cmd := &cobra.Command{
		Use:   "login URL",
		Short: "Write an AWS profile for a server that wants keys",
		Long: "Writes a profile for the AWS CLI and SDKs: the server's address and Region, your access key and the authority of its certificate. " +
			"The key is taken from $AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY, or asked for; it is tried before anything is written, and a " +
			"profile that is there is overwritten only if you say so. Who runs the server makes keys: `aws iam create-access-key --user-name NAME`.",
		Example: "  berth login https://berth.lan:4566\n  berth login https://10.0.0.5:4566 --profile team --fingerprint 5f1d…\n" +
			"  AWS_PROFILE=berth aws ecs list-clusters",
		RunE: func(cmd *cobra.Command, args []string) error {
			l.in = bufio.NewReader(cmd.InOrStdin())
			return l.run(cmd.Context(), args[0])
		},
	}
	f := cmd.Flags()
	f.StringVar(&l.profile, "profile", "berth", "`name` of the profile")
	f.StringVar(&l.region, "region", "", "`Region` of the server (default: what it says)")
	f.StringVar(&l.ca, "ca", "", "`file` of the authority that signs the server's certificate")
	f.StringVar(&l.mark, "fingerprint", "", "trust the authority with this SHA-256, in `hex`, without a question")
	f.BoolVarP(&l.yes, "yes", "y", false, "overwrite a profile without a question")
	return cmd
}

func (l *login) run(ctx context.Context, address string) error {
	var err error
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	if l.url, err = url.Parse(strings.TrimRight(address, "/")); err != nil || l.url.Host == "" || l.url.Scheme != "https" {
		return fmt.Errorf("%s: give the address of a server off loopback, as in https://berth.example.com:4566", address)
	}
	if !regexp.MustCompile(`^[\w.-]+$`).MatchString(l.profile) {
		return fmt.Errorf("--profile %s: letters, digits and - _ . make a name", l.profile)
	}
	for _, step := range []func(context.Context) error{l.places, l.trust, l.keys, l.try, l.write} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	fmt.Fprintf(
		l.out, "%s profile %s is written\n  try it: AWS_PROFILE=%s aws sts get-caller-identity\n", tint(l.out, "green", "✓"), l.profile,
		l.profile,
	)
	return nil
}

// places finds the files, and asks before a profile is overwritten.
func (l *login) places(context.Context) error {
	home, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	l.configFile = cmp.Or(os.Getenv("AWS_CONFIG_FILE"), filepath.Join(home, ".aws", "config"))
	l.credentials = cmp.Or(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), filepath.Join(home, ".aws", "credentials"))
	l.caTarget = filepath.Join(filepath.Dir(l.configFile), "berth-"+l.profile+".pem")
	for file, section := range map[string]string{l.configFile: l.section(), l.credentials: l.profile} {
		b, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if hasSection(string(b), section) && !l.yes && !l.agreed(fmt.Sprintf("%s has a profile %s: overwrite it?", file, l.profile)) {
			return fmt.Errorf("%s has a profile %s already: nothing was written\n  name another with --profile, or say --yes", file, l.profile)
		}
	}
	return nil
}

// section is the profile's name in the file of settings.
func (l *login) section() string {
	if l.profile == "default" {
		return l.profile
	}
	return "profile " + l.profile
}

// ask asks for a line.
func (l *login) ask(question string) string {
	fmt.Fprint(l.err, question+" ")
	line, _ := l.in.ReadString('\n') // without one it is no answer
	return strings.TrimSpace(line)
}

func (l *login) agreed(question string) bool {
	answer := strings.ToLower(l.ask(question + " [y/N]"))
	return answer == "y" || answer == "yes"
}

// trust finds out who signs the server's certificate and asks about an
// authority that the machine does not know.
func (l *login) trust(ctx context.Context) error {
	if l.ca != "" {
		b, err := os.ReadFile(l.ca)
		l.bundle = b
		return err
	}
	host := l.url.Host
	if l.url.Port() == "" {
		host += ":443"
	}
	d := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, ServerName: l.url.Hostname()}}
	c, err := d.DialContext(ctx, "tcp", host)
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
		return c.Close()
	case !errors.As(err, &unknown):
		return fmt.Errorf("%s: %w", host, err)
	}
	return l.pin(ctx, host)
}

// pin takes the authority that the server shows, if its fingerprint is the one
// that was given or the user knows it.
func (l *login) pin(ctx context.Context, host string) error {
	d := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, ServerName: l.url.Hostname(), InsecureSkipVerify: true}}
	c, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return fmt.Errorf("%s: %w", host, err)
	}
	defer c.Close()
	t, ok := c.(*tls.Conn)
	if !ok {
		return errors.New("no TLS")
	}
	chain := t.ConnectionState().PeerCertificates
	authority := chain[len(chain)-1]
	sum := sha256.Sum256(authority.Raw)
	mark := hex.EncodeToString(sum[:])
	switch {
	case l.mark != "" && !strings.EqualFold(l.mark, mark):
		return fmt.Errorf("%s shows an authority with another SHA-256: %s\n  somebody may be between you and it: nothing was sent", host, mark)
	case l.mark == "" && !l.agreed("The authority of "+host+" has SHA-256 "+mark+".\nIs it what the server printed?"):
		return errors.New("not trusted: nothing was sent\n  the server prints the SHA-256 of its authority when it starts; give it with --fingerprint")
	}
	l.bundle = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw})
	return nil
}

func (l *login) keys(context.Context) error {
	l.key = ident.Key{ID: os.Getenv("AWS_ACCESS_KEY_ID"), Secret: os.Getenv("AWS_SECRET_ACCESS_KEY"), Token: os.Getenv("AWS_SESSION_TOKEN")}
	if l.key.ID == "" || l.key.Secret == "" {
		l.key = ident.Key{ID: l.ask("AWS access key ID:"), Secret: l.ask("AWS secret access key:")}
	}
	if l.key.ID == "" || l.key.Secret == "" {
		return errors.New("no access key was given\n  who runs the server makes one: aws iam create-access-key --user-name NAME")
	}
	return nil
}

// regionHeader is where a server that refuses says which Region it is.
const regionHeader = "Berth-Region"

// try calls the server with the key, and learns its Region.
func (l *login) try(ctx context.Context) error {
	guess := cmp.Or(l.region, "us-east-1")
	said, here, err := l.probe(ctx, guess)
	if l.region == "" && here != "" && here != guess {
		guess = here
		said, _, err = l.probe(ctx, guess)
	}
	l.region = guess
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", l.url, err)
	case said != "":
		return fmt.Errorf("%s refuses the key: %s", l.url, said)
	}
	return nil
}

// probe makes a signed call and returns why it was refused and which Region the
// server is; a key that may not read is good.
func (l *login) probe(ctx context.Context, region string) (said, here string, err error) {
	roots, err := x509.SystemCertPool()
	if err != nil || l.bundle != nil {
		roots = x509.NewCertPool()
		roots.AppendCertsFromPEM(l.bundle)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url.String()+"/_berth/health", http.NoBody)
	if err != nil {
		return "", "", err
	}
	wire.Sign(r, nil, l.key, region, "berth", time.Now())
	res, err := client.Do(r)
	if err != nil {
		return "", "", err
	}
	here = res.Header.Get(regionHeader)
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil || res.StatusCode == http.StatusOK || res.Header.Get("x-amzn-ErrorType") == "AccessDeniedException" {
		return "", here, err
	}
	var refusal struct{ Message string }
	if json.Unmarshal(b, &refusal) != nil || refusal.Message == "" {
		return "", here, fmt.Errorf("what answers there is not Berth (%s)", res.Status)
	}
	return refusal.Message, here, nil
}

// write writes the profile: secrets for its user alone.
func (l *login) write(context.Context) error {
	settings := [][2]string{{"endpoint_url", l.url.String()}, {"region", l.region}}
	if l.bundle != nil {
		settings = append(settings, [2]string{"ca_bundle", l.caTarget})
	}
	secrets := [][2]string{{"aws_access_key_id", l.key.ID}, {"aws_secret_access_key", l.key.Secret}}
	if l.key.Token != "" {
		secrets = append(secrets, [2]string{"aws_session_token", l.key.Token})
	}
	if err := os.MkdirAll(filepath.Dir(l.caTarget), 0o700); err != nil {
		return err
	}
	if l.bundle != nil {
		if err := os.WriteFile(l.caTarget, l.bundle, 0o600); err != nil {
			return err
		}
	}
	return errors.Join(editSection(l.configFile, l.section(), settings), editSection(l.credentials, l.profile, secrets))
}

// hasSection reports whether a file of the AWS CLI has a section.
func hasSection(text, name string) bool {
	_, found := withoutSection(text, name)
	return found
}

// withoutSection is the text of a file of the AWS CLI without a section.
func withoutSection(text, name string) (rest string, found bool) {
	var b strings.Builder
	inside := false
	for line := range strings.Lines(text) {
		if head := strings.TrimSpace(line); strings.HasPrefix(head, "[") {
			inside = strings.Join(strings.Fields(strings.Trim(head, "[]")), " ") == name
			found = found || inside
		}
		if !inside {
			b.WriteString(line)
		}
	}
	return b.String(), found
}

// editSection replaces a section of a file, or adds it: whole or not at all.
func editSection(file, name string, pairs [][2]string) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	text, _ := withoutSection(string(old), name)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	text += "[" + name + "]\n"
	for _, p := range pairs {
		text += p[0] + " = " + p[1] + "\n"
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
