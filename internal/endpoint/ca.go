package endpoint

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/internal/clock"
	"berth/internal/fault"
)

// Lifetimes: of the authority, of a certificate, and how long before its end
// one is replaced.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 90 * 24 * time.Hour
	renewBefore   = 24 * time.Hour
)

// maxLeaves bounds the certificates kept in memory.
const maxLeaves = 1024

// domains are what the authority may sign for, beside what Permit adds. The
// constraint is in its own certificate too, so that whoever trusts it trusts it
// for nothing else.
var domains = []string{"amazonaws.com", "api.aws", "localhost"}

// CA is Berth's own certificate authority.
type CA struct {
	clock clock.Clock // the machine's: certificates are read by real programs
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	pem   []byte
	dir   string
	// addresses are IP addresses that the machine is called by from afar.
	addresses []string

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

// OpenCA reads the authority from the folder dir, or makes one there.
func OpenCA(dir string, c clock.Clock) (*CA, error) {
	ca := &CA{clock: c, dir: dir, leaves: map[string]*tls.Certificate{}}
	err := ca.read(dir)
	if errors.Is(err, os.ErrNotExist) {
		err = ca.create(dir)
	}
	if err != nil {
		return nil, fmt.Errorf(
			"the certificate authority in %s is damaged: %w\n  restore a backup into another folder, or remove %s: a new one is made, which only new "+
				"instances trust", dir, err, dir,
		)
	}
	return ca, nil
}

// CheckCA says what is wrong with the authority in a folder, and changes nothing.
func CheckCA(dir string) error { return (&CA{}).read(dir) }

func files(dir string) (cert, key string) {
	return filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem")
}

func (ca *CA) read(dir string) error {
	certFile, keyFile := files(dir)
	keyPEM, err := os.ReadFile(keyFile)
	if errors.Is(err, os.ErrNotExist) {
		if _, alone := os.Stat(certFile); alone == nil {
			return fault.New(fault.Invalid, "", "%s is there without %s", certFile, keyFile)
		}
	}
	if err != nil {
		return err
	}
	if ca.pem, err = os.ReadFile(certFile); err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(ca.pem, keyPEM)
	if err != nil {
		return err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return fault.New(fault.Invalid, "", "%s holds no ECDSA key", keyFile)
	}
	ca.key = key
	if ca.cert, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
		return err
	}
	return ca.cert.CheckSignature(ca.cert.SignatureAlgorithm, ca.cert.RawTBSCertificate, ca.cert.Signature)
}

// create makes the authority. The key is written first: a folder with a key and no
// certificate gets one of the same key, which those trust who trusted the one
// before.
func (ca *CA) create(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	certFile, keyFile := files(dir)
	key, err := keyOf(keyFile)
	if err != nil {
		return err
	}
	ca.key = key
	if err := ca.certify(domains); err != nil {
		return err
	}
	return place(certFile, ca.pem, 0o644)
}

// keyOf is the key in a file, which is made if it is not there.
func keyOf(file string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err == nil {
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, fault.New(fault.Invalid, "", "%s holds no key", file)
		}
		return x509.ParseECPrivateKey(block.Bytes)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, place(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}), 0o600)
}

// certify makes the authority's own certificate.
func (ca *CA) certify(names []string) error {
	now := ca.clock.Now()
	der, err := sign(&x509.Certificate{
		Subject:   pkix.Name{CommonName: "Berth local authority", Organization: []string{"Berth"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(authorityLife), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, PermittedDNSDomainsCritical: true, PermittedDNSDomains: names,
	}, nil, ca.key, ca.key)
	if err != nil {
		return err
	}
	ca.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	ca.cert, err = x509.ParseCertificate(der)
	return err
}

// Permit lets the authority sign for names and addresses of this machine, too.
// It has a new certificate if a name is new; its key and its name stay, so that
// who trusts the old one goes on with all names but the new.
func (ca *CA) Permit(names []string) error {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	all := slices.Clone(ca.cert.PermittedDNSDomains)
	for _, n := range names {
		switch {
		case net.ParseIP(n) != nil:
			ca.addresses = append(ca.addresses, n)
		case !slices.Contains(all, n):
			all = append(all, n)
		}
	}
	if len(all) == len(ca.cert.PermittedDNSDomains) {
		return nil
	}
	if err := ca.certify(all); err != nil {
		return fmt.Errorf("certify %v: %w", names, err)
	}
	file, _ := files(ca.dir)
	return place(file, ca.pem, 0o644)
}

// Fingerprint is the SHA-256 of the authority's certificate, in hexadecimal.
func (ca *CA) Fingerprint() string {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	h := sha256.Sum256(ca.cert.Raw)
	return hex.EncodeToString(h[:])
}

// place writes a file whole or not at all.
func place(path string, b []byte, mode os.FileMode) error {
	if err := os.WriteFile(path+".new", b, mode); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// sign makes a certificate; without a parent it signs itself.
func sign(c, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	c.SerialNumber = serial
	if parent == nil {
		parent = c
	}
	return x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
}

// Bundle is the authority's certificate as PEM, for those who should trust it.
func (ca *CA) Bundle() []byte {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	return slices.Clone(ca.pem)
}

// TLS is a server's configuration that has a certificate for every AWS name,
// made when it is asked for.
func (ca *CA) TLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: ca.certificate}
}

// certificate answers a hello by its server name, or by the address that it
// came to if it has none.
func (ca *CA) certificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(h.ServerName, "."))
	if name == "" && h.Conn != nil {
		name, _, _ = net.SplitHostPort(h.Conn.LocalAddr().String())
	}
	return ca.Certificate(name)
}

// Certificate is the certificate of a name below the domains, or of an IP
// address. Others are fault.Denied.
func (ca *CA) Certificate(name string) (*tls.Certificate, error) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if net.ParseIP(name) == nil && !ca.ours(name) {
		return nil, fault.New(fault.Denied, "", "no certificate for %q: it is no AWS name", name)
	}
	now := ca.clock.Now()
	if c := ca.leaves[name]; c != nil && now.Before(c.Leaf.NotAfter.Add(-renewBefore)) {
		return c, nil
	}
	c, err := ca.issue(name, now)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", name, err)
	}
	if len(ca.leaves) >= maxLeaves {
		clear(ca.leaves)
	}
	ca.leaves[name] = c
	return c, nil
}

func (ca *CA) ours(name string) bool {
	return slices.ContainsFunc(ca.cert.PermittedDNSDomains, func(d string) bool { return name == d || strings.HasSuffix(name, "."+d) })
}

func (ca *CA) issue(name string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		c.Subject = pkix.Name{Organization: []string{"Berth"}} // OpenSSL holds a common name with dots against the permitted names
		c.IPAddresses = []net.IP{ip}
		for _, a := range ca.addresses {
			c.IPAddresses = append(c.IPAddresses, net.ParseIP(a))
		}
	} else {
		c.DNSNames = []string{name}
	}
	if len(name) > 64 {
		c.Subject.CommonName = "" // longer than X.520 allows; the alternative name counts
	}
	der, err := sign(c, ca.cert, key, ca.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, ca.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}
