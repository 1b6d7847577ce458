package servertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// CA is a certificate authority.
type CA struct {
	// File is its certificate in PEM.
	File string

	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA makes an authority, of a name of its own, whose files last as long as the
// test.
func NewCA(t T) *CA {
	t.Helper()
	return newCA(t, fmt.Sprintf("Test CA %x", serial(t).Bytes()[:4]), nil)
}

// Renewed makes an authority of the same name with another key.
func (ca *CA) Renewed(t T) *CA {
	t.Helper()
	return newCA(t, ca.cert.Subject.CommonName, nil)
}

// Intermediate makes an authority that ca has certified. Servers do not send
// its certificate along with those that it issues, so that whoever trusts ca
// alone cannot verify these.
func (ca *CA) Intermediate(t T) *CA {
	t.Helper()
	return newCA(t, "Test Intermediate CA", ca)
}

func newCA(t T, name string, by *CA) *CA {
	t.Helper()
	ca := &CA{dir: t.TempDir()}
	ca.File = filepath.Join(ca.dir, "ca.pem")
	var err error
	ca.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	ca.cert = &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if by == nil {
		by = ca
	}
	der, err := x509.CreateCertificate(rand.Reader, ca.cert, by.cert, &ca.key.PublicKey, by.key)
	must(t, err)
	ca.cert, err = x509.ParseCertificate(der)
	must(t, err)
	writePEM(t, ca.File, "CERTIFICATE", der)
	return ca
}

// Leaf says what a certificate is like. The zero value is one that every
// server of this package can use.
type Leaf struct {
	// Hosts are the DNS names and IP addresses that it is for, by default
	// 127.0.0.1 and localhost.
	Hosts []string
	// NoHosts leaves all names out but the CommonName, which nobody looks at
	// any more.
	NoHosts bool
	// CommonName is the subject's, by default the first of Hosts. A client's
	// certificate of slapd and the name "reader" logs in as [Slapd.Reader].
	CommonName string
	// From and Until count from now, by default an hour ago and a year.
	From, Until time.Duration
	// SelfSigned takes no authority.
	SelfSigned bool
	// RSA makes the key one of RSA, and SHA1 the signature one that nobody should
	// accept any more.
	RSA, SHA1 bool
	// NegativeSerial makes the serial number negative, as Samba does in half
	// of the certificates that it makes for itself. crypto/x509 refuses these.
	// Only a [Stub] can use it, and not with SelfSigned.
	NegativeSerial bool
}

// Certificate is one with its private key.
type Certificate struct {
	// CertFile and KeyFile are in PEM.
	CertFile, KeyFile string
	// TLS is the same for crypto/tls.
	TLS tls.Certificate
}

// Issue makes a certificate for a server or a client.
func (ca *CA) Issue(t T, leaf Leaf) *Certificate {
	t.Helper()
	if leaf.Hosts == nil {
		leaf.Hosts = []string{"127.0.0.1", "localhost"}
	}
	if leaf.CommonName == "" {
		leaf.CommonName = leaf.Hosts[0]
	}
	if leaf.From == 0 {
		leaf.From = min(-time.Hour, leaf.Until-time.Hour)
	}
	if leaf.Until == 0 {
		leaf.Until = 365 * 24 * time.Hour
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: leaf.CommonName}, NotBefore: now.Add(leaf.From), NotAfter: now.Add(leaf.Until),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range leaf.Hosts {
		if ip := net.ParseIP(host); leaf.NoHosts {
		} else if ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	var key crypto.Signer
	var err error
	if leaf.RSA {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
		template.KeyUsage |= x509.KeyUsageKeyEncipherment
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	must(t, err)
	if leaf.SHA1 {
		template.SignatureAlgorithm = x509.ECDSAWithSHA1
	}
	parent, signer := ca.cert, crypto.Signer(ca.key)
	if leaf.SelfSigned {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	must(t, err)
	if leaf.NegativeSerial {
		der = negative(t, der, template.SerialNumber, ca.key)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	dir, err := os.MkdirTemp(ca.dir, "leaf")
	must(t, err)
	c := &Certificate{
		CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"),
		TLS: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
	}
	writePEM(t, c.CertFile, "CERTIFICATE", der)
	writePEM(t, c.KeyFile, "PRIVATE KEY", keyDER)
	return c
}

// serial returns a positive number of 16 octets.
func serial(t T) *big.Int {
	t.Helper()
	b := make([]byte, 16)
	_, err := rand.Read(b)
	must(t, err)
	b[0] = b[0]&0x1f | 0x40 // and with another sign it is encoded in as few octets
	return new(big.Int).SetBytes(b)
}

// negative turns the sign of the serial number and signs the certificate anew,
// which crypto/x509 does not do for a caller.
func negative(t T, der []byte, serial *big.Int, signer *ecdsa.PrivateKey) []byte {
	t.Helper()
	var cert struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	_, err := asn1.Unmarshal(der, &cert)
	must(t, err)
	// SEQUENCE { [0] version, INTEGER serial ...
	var version asn1.RawValue
	rest, err := asn1.Unmarshal(cert.TBS.Bytes, &version)
	must(t, err)
	if rest[0] != asn1.TagInteger || int(rest[1]) != len(serial.Bytes()) {
		t.Fatalf("the serial number is not where it was expected")
	}
	rest[2] |= 0x80 // within cert.TBS.FullBytes
	digest := sha256.Sum256(cert.TBS.FullBytes)
	cert.Signature.Bytes, err = ecdsa.SignASN1(rand.Reader, signer, digest[:])
	must(t, err)
	cert.Signature.BitLength = 8 * len(cert.Signature.Bytes)
	der, err = asn1.Marshal(cert)
	must(t, err)
	return der
}

func writePEM(t T, path, kind string, der []byte) {
	t.Helper()
	write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

// Pool holds the authority's certificate.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// Demanding is the TLS of a server that the authority has certified, and that demands
// a client certificate of it.
func (ca *CA) Demanding(t T) *tls.Config {
	t.Helper()
	return &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, Leaf{}).TLS}, ClientCAs: ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert}
}
