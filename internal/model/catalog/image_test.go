package catalog_test

import (
	"encoding/json"
	"testing"

	"berth/internal/model/catalog"
)

// Proves: E1, E2
func TestImagesAreFoundByTheirPublicParameters(t *testing.T) {
	const base = "/aws/service/ecs/optimized-ami/amazon-linux-2/arm64/recommended"
	id, ok := catalog.Public("eu-west-1", base+"/image_id")
	m, known := catalog.ImageOf("eu-west-1", id)
	if !ok || !known || m.Architecture != "arm64" || m.OS != "Amazon Linux 2" {
		t.Fatalf("%s is %+v", id, m)
	}
	text, _ := catalog.Public("eu-west-1", base)
	var all map[string]any
	if err := json.Unmarshal([]byte(text), &all); err != nil || all["image_id"] != id || all["schema_version"] != 1.0 {
		t.Errorf("%s: %v", text, err)
	}
	if other, _ := catalog.Public("us-east-1", base+"/image_id"); other == id {
		t.Error("two Regions have one image")
	}
	if _, ok := catalog.ImageOf("us-east-1", id); ok {
		t.Error("an image is found in another Region")
	}
	if _, ok := catalog.Public("eu-west-1", "/aws/service/bottlerocket/aws-ecs-1/x86_64/latest/image_id"); ok {
		t.Error("Bottlerocket is known")
	}
}

func TestEveryImageHasAnIDOfItsOwn(t *testing.T) {
	seen := map[string]string{}
	for _, m := range catalog.Images("eu-west-1") {
		if was := seen[m.ID]; was != "" {
			t.Errorf("%s and %s are %s", was, m.Name, m.ID)
		}
		seen[m.ID] = m.Name
	}
}
