package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Place is where backups are kept. Names have slashes and no leading one.
type Place interface {
	// Put stores a file under a name: all of it or nothing.
	Put(ctx context.Context, name string, file *os.File) error
	// Get writes what is stored under a name to w.
	Get(ctx context.Context, name string, w io.Writer) error
	// List returns the names that begin with a prefix, in order.
	List(ctx context.Context, prefix string) ([]string, error)
	// Delete removes a name; one that does not exist is no error.
	Delete(ctx context.Context, name string) error
}

// SDKSettings are read by Amazon's SDK and the system, besides those of the queue.
type SDKSettings struct {
	Region   string `env:"AWS_REGION" help:"the region of the queues, and of a bucket with backups; the AWS SDK's own settings decide when empty"`
	Endpoint string `env:"AWS_ENDPOINT_URL_S3" check:"URL" help:"read by the AWS SDK: the server of a bucket that is not Amazon's"`
	Scratch  string `env:"TMPDIR" help:"a folder for dumps on their way, as large as the databases; the system's when empty"`
}

// OpenPlace opens a folder, or a bucket named as s3://bucket/prefix. The SDK's usual
// settings (AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL_S3 and so on) say how the
// bucket is reached, so that any store that speaks S3 will do.
func OpenPlace(ctx context.Context, where string) (Place, error) {
	rest, isS3 := strings.CutPrefix(where, "s3://")
	switch {
	case where == "":
		return nil, errors.New("where are the backups? Name a folder, or s3://bucket/prefix")
	case !isS3 && strings.Contains(where, "://"):
		return nil, fmt.Errorf("%s is neither a folder nor s3://bucket/prefix", where)
	case !isS3:
		dir, err := filepath.Abs(where)
		return folder{dir}, err
	}
	name, prefix, _ := strings.Cut(rest, "/")
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("settings of S3: %w", err)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = o.BaseEndpoint != nil // stores other than Amazon's rarely have a host name per bucket
		// Those do not all know the checksums that the SDK adds. Ours are in the manifests.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	})
	return bucket{client, name, strings.Trim(prefix, "/")}, nil
}

// folder is a Place on a disk. Its files are readable only by their owner: they hold
// personal data.
type folder struct{ dir string }

func (f folder) Put(_ context.Context, name string, file *os.File) (err error) {
	target := filepath.Join(f.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return fmt.Errorf("make the folder of a backup: %w", err)
	}
	// A name of its own: the schedule and `backup now` may store the same file at once.
	out, err := os.CreateTemp(filepath.Dir(target), filepath.Base(target)+".*.new")
	if err != nil {
		return fmt.Errorf("store a backup: %w", err)
	}
	_, err = io.Copy(out, file)
	if err = errors.Join(err, out.Sync(), out.Close()); err == nil {
		err = os.Rename(out.Name(), target)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("store %s: %w", name, err), os.Remove(out.Name()))
	}
	return nil
}

func (f folder) Get(_ context.Context, name string, w io.Writer) (err error) {
	in, err := os.Open(filepath.Join(f.dir, filepath.FromSlash(name)))
	if err != nil {
		return fmt.Errorf("read a backup: %w", err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if _, err := io.Copy(w, in); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

func (f folder) List(_ context.Context, prefix string) (names []string, err error) {
	err = filepath.WalkDir(f.dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(f.dir, file)
		if name := filepath.ToSlash(relative); strings.HasPrefix(name, prefix) && !strings.HasSuffix(name, ".new") {
			names = append(names, name)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // nothing was stored yet
	}
	slices.Sort(names)
	return names, err
}

func (f folder) Delete(_ context.Context, name string) error {
	err := os.Remove(filepath.Join(f.dir, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// bucket is a Place in S3.
type bucket struct {
	client       *s3.Client
	name, prefix string
}

func (b bucket) key(name string) *string { return aws.String(path.Join(b.prefix, name)) }

func (b bucket) Put(ctx context.Context, name string, file *os.File) error {
	if _, err := b.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &b.name, Key: b.key(name), Body: file}); err != nil {
		return fmt.Errorf("store %s in bucket %s: %w", name, b.name, err)
	}
	return nil
}

func (b bucket) Get(ctx context.Context, name string, w io.Writer) (err error) {
	object, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: b.key(name)})
	if err != nil {
		return fmt.Errorf("read %s from bucket %s: %w", name, b.name, err)
	}
	defer func() { err = errors.Join(err, object.Body.Close()) }()
	if _, err := io.Copy(w, object.Body); err != nil {
		return fmt.Errorf("read %s from bucket %s: %w", name, b.name, err)
	}
	return nil
}

func (b bucket) List(ctx context.Context, prefix string) (names []string, err error) {
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: aws.String(b.under() + prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list bucket %s: %w", b.name, err)
		}
		for _, object := range page.Contents {
			names = append(names, strings.TrimPrefix(aws.ToString(object.Key), b.under()))
		}
	}
	return names, nil
}

func (b bucket) under() string {
	if b.prefix == "" {
		return ""
	}
	return b.prefix + "/"
}

func (b bucket) Delete(ctx context.Context, name string) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: b.key(name)})
	return err
}
