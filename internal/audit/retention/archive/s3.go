package archive

import (
	"context"
	"crypto/md5" //nolint:gosec // what S3 calls an ETag; SHA-256 is sent and checked beside it
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// maxObject is the largest object that one PUT may make.
const maxObject = 5 << 30

// S3Config says where a bucket is.
type S3Config struct {
	Endpoint  string // https://s3.eu-central-1.amazonaws.com
	Region    string
	Bucket    string
	Prefix    string // of the names of objects, without a slash at its end
	PathStyle bool   // the bucket is in the path of the URL, not in the name of the host
	// Keys gives the credentials as they are now.
	Keys func(context.Context) (aws.Credentials, error)
}

// S3 is an archive in a bucket. It is safe for concurrent use.
type S3 struct {
	cfg    S3Config
	base   *url.URL
	signer *v4.Signer
	http   *http.Client
}

// NewS3 returns an archive. It asks nobody.
func NewS3(cfg S3Config) (*S3, error) {
	u, err := url.Parse(cfg.Endpoint)
	if err != nil || u.Host == "" {
		return nil, errors.New("endpoint: not a URL")
	}
	if cfg.PathStyle {
		u = u.JoinPath(cfg.Bucket)
	} else {
		u.Host = cfg.Bucket + "." + u.Host
	}
	return &S3{
		cfg: cfg, base: u,
		signer: v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }), // as S3 wants it
		http: &http.Client{
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
				TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute, IdleConnTimeout: time.Minute,
				DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
				MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Put implements retention.Archive. The bucket checks the MD5 and SHA-256 that
// go with the bytes; its answer, and then the object's size, are checked here.
func (s *S3) Put(ctx context.Context, name, path string, size int64, sum string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	if size > maxObject {
		return "", fmt.Errorf("file of %d bytes, a bucket takes at most %d at once", size, int64(maxObject))
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	both := sha256.New()
	etag := md5.New() //nolint:gosec // see above
	n, err := io.Copy(io.MultiWriter(both, etag), f)
	if err != nil {
		return "", err
	}
	if n != size || hex.EncodeToString(both.Sum(nil)) != sum {
		return "", errors.New("the file is not the one that was written")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	key := name
	if s.cfg.Prefix != "" {
		key = s.cfg.Prefix + "/" + name
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, s.base.JoinPath(key).String(), io.NopCloser(f))
	if err != nil {
		return "", err
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Content-MD5", base64.StdEncoding.EncodeToString(etag.Sum(nil)))
	req.Header.Set("X-Amz-Checksum-Sha256", base64.StdEncoding.EncodeToString(both.Sum(nil)))
	resp, err := s.do(req, sum)
	if err != nil {
		return "", err
	}
	// With server-side encryption by a key of one's own, the ETag is no MD5.
	if got := strings.Trim(resp.Header.Get("ETag"), `"`); len(got) == 32 && resp.Header.Get("X-Amz-Server-Side-Encryption") != "aws:kms" &&
		resp.Header.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm") == "" && got != hex.EncodeToString(etag.Sum(nil)) {
		return "", errors.New("the bucket answers with the ETag of something else")
	}
	if err := s.check(ctx, key, size); err != nil {
		return "", err
	}
	return "s3://" + s.cfg.Bucket + "/" + key, nil
}

// check asks for the size of the object.
func (s *S3) check(ctx context.Context, key string, size int64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, s.base.JoinPath(key).String(), nil)
	if err != nil {
		return err
	}
	empty := sha256.Sum256(nil)
	resp, err := s.do(req, hex.EncodeToString(empty[:]))
	if err != nil {
		return err
	}
	if got := resp.Header.Get("Content-Length"); got != strconv.FormatInt(size, 10) {
		return fmt.Errorf("the object has %q bytes, want %d", got, size)
	}
	return nil
}

// do signs and sends a request. Its errors hold nothing of the answer.
func (s *S3) do(req *http.Request, sum string) (*http.Response, error) {
	keys, err := s.cfg.Keys(req.Context())
	if err != nil {
		return nil, fmt.Errorf("credentials of the archive: %w", err)
	}
	req.Header.Set("X-Amz-Content-Sha256", sum)
	if err := s.signer.SignHTTP(req.Context(), keys, req, sum, "s3", s.cfg.Region, time.Now()); err != nil {
		return nil, errors.New("signing the request to the archive")
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s to the archive: %w", req.Method, errors.Unwrap(err))
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s to the archive: status %d", req.Method, resp.StatusCode)
	}
	return resp, nil
}
