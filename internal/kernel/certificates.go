package kernel

import "os"

// certificateBundles are where systems keep the authorities that they trust in
// one file.
var certificateBundles = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"}

// CertificateBundle is the authorities that this host trusts, as PEM; nothing
// if it keeps none in one file.
func CertificateBundle() []byte {
	for _, path := range certificateBundles {
		if b, err := os.ReadFile(path); err == nil {
			return b
		}
	}
	return nil
}
