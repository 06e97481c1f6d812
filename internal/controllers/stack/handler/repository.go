package handler

// Image repositories.

func repositoryTypes() map[string]*Type {
	this := Args{"repositoryName": self}
	return map[string]*Type{
		"AWS::ECR::Repository": {
			Service: ecr, Style: Style{Lower: true}, Name: Name{Property: "RepositoryName", Limit: 256, Lower: true},
			Convert: map[string]func(*Step, any) (any, error){"RepositoryPolicyText": document},
			Make: Call{
				Operation: "CreateRepository", Members: names("ImageTagMutability ImageScanningConfiguration"), With: Args{"repositoryName": named},
				Answer: "repository",
			},
			ID: at("repositoryName"),
			Lookup: byName(taggedBy(Call{
				Operation: "ListTagsForResource", With: Args{"resourceArn": at("repositoryArn")}, Answer: "tags",
			})),
			Changes: []Change{
				{
					Call:  Call{Operation: "PutImageTagMutability", Members: names("ImageTagMutability"), With: this},
					Usual: map[string]any{"ImageTagMutability": "MUTABLE"},
				},
				{
					Call:  Call{Operation: "PutImageScanningConfiguration", Members: names("ImageScanningConfiguration"), With: this},
					Usual: map[string]any{"ImageScanningConfiguration": map[string]any{"scanOnPush": false}},
				},
				{
					Call: Call{
						Operation: "SetRepositoryPolicy", Members: names("RepositoryPolicyText"),
						As: map[string]string{"RepositoryPolicyText": "policyText"}, With: this,
					},
					Without: &Call{Operation: "DeleteRepositoryPolicy", With: this, Forgive: names("RepositoryPolicyNotFoundException")},
				},
			},
			Unsent:     map[string]string{"EmptyOnDelete": "it only says how to delete"},
			Read:       Call{Operation: "DescribeRepositories", With: Args{"repositoryNames": listOf(self)}, Answer: "repositories.0"},
			Attributes: paths("Arn=repositoryArn RepositoryUri=repositoryUri"),
			Remove: Call{Operation: "DeleteRepository", With: Args{"repositoryName": self, "force": func(s *Step) any {
				force, _ := s.Record.Properties["EmptyOnDelete"].(bool)
				return force
			}}},
			Tags: Tagging{
				Member: "tags", Form: pairs, Add: "TagResource", Remove: "UntagResource", Of: Args{"resourceArn": attribute("Arn")}, Keys: "tagKeys",
			},
		},
	}
}
