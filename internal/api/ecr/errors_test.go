package ecr_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/internal/api/apitest"
	"berth/internal/model"
	"berth/internal/state"
)

// begin begins an upload of some bytes and returns its identity.
func begin(w *apitest.World, parts ...string) string {
	id, _ := w.Must("ecr", "InitiateLayerUpload", apitest.In{"repositoryName": "web"})["uploadId"].(string)
	at := 0
	for _, data := range parts {
		w.Must("ecr", "UploadLayerPart", apitest.In{
			"repositoryName": "web", "uploadId": id, "partFirstByte": at, "partLastByte": at + len(data) - 1,
			"layerPartBlob": base64.StdEncoding.EncodeToString([]byte(data)),
		})
		at += len(data)
	}
	return id
}

// finely begins an upload of 4,200 parts, all but three of which are only noted.
func finely(t *testing.T, w *apitest.World) string {
	t.Helper()
	id := begin(w, "x", "y", "z")
	var file string
	err := filepath.WalkDir(filepath.Dir(t.TempDir()), func(path string, _ fs.DirEntry, err error) error {
		if filepath.Base(path) == id+".parts" {
			file = path
		}
		return err
	})
	if err == nil {
		err = os.WriteFile(file, []byte(`{"Number":4200}`), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// text is a text for a row that would be read as JSON otherwise.
func text(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func TestErrorsAreAsListed(t *testing.T) {
	w := apitest.NewWorld(t)
	w.Must("ecr", "CreateRepository", apitest.In{"repositoryName": "web", "imageTagMutability": "IMMUTABLE"})
	full := model.Repository{Name: "full"}
	for i := range 50 {
		full.Tags = append(full.Tags, model.Tag{Key: fmt.Sprint("k", i)})
	}
	apitest.Put(w, state.Repositories, full)
	for i := range 50 {
		apitest.Put(w, state.PullThroughRules, model.PullThroughRule{Prefix: fmt.Sprintf("rule-%d", i), URL: "quay.io", Upstream: "quay"})
	}
	for _, data := range []string{"{}", "layer"} {
		w.Must("ecr", "CompleteLayerUpload", apitest.In{
			"repositoryName": "web", "uploadId": begin(w, data), "layerDigests": []any{digest([]byte(data))},
		})
	}
	image := manifest([]byte("{}"), []byte("layer"))
	w.Must("ecr", "PutImage", apitest.In{"repositoryName": "web", "imageManifest": image, "imageTag": "v1"})
	index := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"digest":"` +
		digest([]byte("lost")) + `"}]}`
	rows := strings.NewReplacer(
		"WEB", "repositoryName=web", "LOST", "repositoryName=lost", "ARN/", "arn:aws:ecr:us-east-1:123456789012:repository/",
		"LAYERLESS", text(manifest([]byte("{}"), []byte("lost"))), "INDEX", text(index), "IMAGE", text(image),
		"ANOTHER", text(strings.Replace(image, `"schemaVersion":2,`, `"schemaVersion":2,"annotations":{},`, 1)),
		"DIGEST", digest([]byte("lost")), "KEPT", digest([]byte("layer")),
		"EMPTY", begin(w), "BEGUN", begin(w, "layer"), "OTHER", begin(w, "x"),
		"CUT", begin(w, "layer", "x"), "FINE", finely(t, w),
		"MANY", apitest.Tags(51, "Key", "Value"), "LONG", `[{"Key":"a","Value":"`+strings.Repeat("x", 257)+`"}]`,
	).Replace(`
		CreateRepository RepositoryAlreadyExistsException WEB
		CreateRepository InvalidParameterException repositoryName=Web
		CreateRepository InvalidParameterException repositoryName=new registryId="000000000000"
		CreateRepository InvalidTagParameterException repositoryName=new tags=LONG
		CreateRepository TooManyTagsException repositoryName=new tags=MANY
		CreateRepository NotImplemented repositoryName=new encryptionConfiguration={"encryptionType":"KMS"}
		CreatePullThroughCacheRule InvalidParameterException ecrRepositoryPrefix=pub upstreamRegistryUrl=public.ecr.aws registryId="000000000000"
		CreatePullThroughCacheRule UnsupportedUpstreamRegistryException ecrRepositoryPrefix=pub upstreamRegistryUrl=registry.example
		CreatePullThroughCacheRule UnsupportedUpstreamRegistryException ecrRepositoryPrefix=pub upstreamRegistryUrl=quay.io upstreamRegistry=k8s
		CreatePullThroughCacheRule PullThroughCacheRuleAlreadyExistsException ecrRepositoryPrefix=rule-1 upstreamRegistryUrl=public.ecr.aws
		CreatePullThroughCacheRule LimitExceededException ecrRepositoryPrefix=pub upstreamRegistryUrl=public.ecr.aws
		CreatePullThroughCacheRule NotImplemented ecrRepositoryPrefix=pub upstreamRegistryUrl=registry-1.docker.io
		CreatePullThroughCacheRule NotImplemented ecrRepositoryPrefix=pub upstreamRegistryUrl=me.azurecr.io
		DescribePullThroughCacheRules PullThroughCacheRuleNotFoundException ecrRepositoryPrefixes=["lost"]
		DescribePullThroughCacheRules InvalidParameterException registryId="000000000000"
		DeletePullThroughCacheRule PullThroughCacheRuleNotFoundException ecrRepositoryPrefix=lost
		DeletePullThroughCacheRule InvalidParameterException ecrRepositoryPrefix=rule-1 registryId="000000000000"
		ValidatePullThroughCacheRule PullThroughCacheRuleNotFoundException ecrRepositoryPrefix=lost
		ValidatePullThroughCacheRule InvalidParameterException ecrRepositoryPrefix=rule-1 registryId="000000000000"
		DeleteRepository RepositoryNotFoundException LOST
		DeleteRepository RepositoryNotEmptyException WEB
		DescribeRepositories RepositoryNotFoundException repositoryNames=["lost"]
		DescribeRepositories InvalidParameterException nextToken=made-up
		PutImageTagMutability RepositoryNotFoundException LOST imageTagMutability=MUTABLE
		PutImageTagMutability NotImplemented WEB imageTagMutability=MUTABLE_WITH_EXCLUSION
		PutImageScanningConfiguration RepositoryNotFoundException LOST imageScanningConfiguration={"scanOnPush":true}
		ListTagsForResource InvalidParameterException resourceArn=lost
		ListTagsForResource RepositoryNotFoundException resourceArn=ARN/lost
		TagResource InvalidParameterException resourceArn=lost tags=[{"Key":"a","Value":"b"}]
		TagResource RepositoryNotFoundException resourceArn=ARN/lost tags=[{"Key":"a","Value":"b"}]
		TagResource InvalidTagParameterException resourceArn=ARN/web tags=LONG
		TagResource TooManyTagsException resourceArn=ARN/full tags=[{"Key":"a","Value":"b"}]
		UntagResource InvalidParameterException resourceArn=lost tagKeys=["a"]
		UntagResource RepositoryNotFoundException resourceArn=ARN/lost tagKeys=["a"]
		PutImage RepositoryNotFoundException LOST imageManifest=IMAGE
		PutImage ImageAlreadyExistsException WEB imageManifest=IMAGE imageTag=v1
		PutImage ImageTagAlreadyExistsException WEB imageManifest=ANOTHER imageTag=v1
		PutImage LayersNotFoundException WEB imageManifest=LAYERLESS
		PutImage ReferencedImagesNotFoundException WEB imageManifest=INDEX
		PutImage ImageDigestDoesNotMatchException WEB imageManifest=IMAGE imageDigest=DIGEST
		PutImage InvalidParameterException WEB imageManifest=lost
		BatchGetImage RepositoryNotFoundException LOST imageIds=[{"imageTag":"v1"}]
		BatchDeleteImage RepositoryNotFoundException LOST imageIds=[{"imageTag":"v1"}]
		ListImages RepositoryNotFoundException LOST
		ListImages InvalidParameterException WEB nextToken=made-up
		DescribeImages RepositoryNotFoundException LOST
		DescribeImages ImageNotFoundException WEB imageIds=[{"imageTag":"lost"}]
		DescribeImages InvalidParameterException WEB nextToken=made-up
		BatchCheckLayerAvailability RepositoryNotFoundException LOST layerDigests=["DIGEST"]
		GetDownloadUrlForLayer LayersNotFoundException WEB layerDigest=DIGEST
		GetDownloadUrlForLayer RepositoryNotFoundException LOST layerDigest=DIGEST
		InitiateLayerUpload RepositoryNotFoundException LOST
		UploadLayerPart RepositoryNotFoundException LOST uploadId=EMPTY partFirstByte=0 partLastByte=2 layerPartBlob=AAAA
		UploadLayerPart UploadNotFoundException WEB uploadId=00000000-0000-0000-0000-000000000000 partFirstByte=0 partLastByte=2 layerPartBlob=AAAA
		UploadLayerPart InvalidLayerPartException WEB uploadId=EMPTY partFirstByte=0 partLastByte=9 layerPartBlob=AAAA
		UploadLayerPart InvalidLayerPartException WEB uploadId=EMPTY partFirstByte=3 partLastByte=5 layerPartBlob=AAAA
		UploadLayerPart LimitExceededException WEB uploadId=FINE partFirstByte=3 partLastByte=5 layerPartBlob=AAAA
		CompleteLayerUpload LayerPartTooSmallException WEB uploadId=CUT layerDigests=["DIGEST"]
		CompleteLayerUpload RepositoryNotFoundException LOST uploadId=EMPTY layerDigests=["DIGEST"]
		CompleteLayerUpload UploadNotFoundException WEB uploadId=00000000-0000-0000-0000-000000000000 layerDigests=["DIGEST"]
		CompleteLayerUpload EmptyUploadException WEB uploadId=EMPTY layerDigests=["DIGEST"]
		CompleteLayerUpload LayerAlreadyExistsException WEB uploadId=BEGUN layerDigests=["KEPT"]
		CompleteLayerUpload InvalidLayerException WEB uploadId=OTHER layerDigests=["DIGEST"]
		GetLifecyclePolicy RepositoryNotFoundException LOST
		GetLifecyclePolicy LifecyclePolicyNotFoundException WEB
		GetRepositoryPolicy RepositoryNotFoundException LOST
		GetRepositoryPolicy RepositoryPolicyNotFoundException WEB
		SetRepositoryPolicy RepositoryNotFoundException LOST policyText="{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"ecr:*\"}]}"
		SetRepositoryPolicy InvalidParameterException WEB policyText=lost
		DeleteRepositoryPolicy RepositoryNotFoundException LOST
		DeleteRepositoryPolicy RepositoryPolicyNotFoundException WEB
	`)
	apitest.Errors(t, w, "ecr", rows)
}
