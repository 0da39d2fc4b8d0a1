# Amazon OpenSearch: opensearch-py and opensearch-js with their signers for AWS. A stand-in for the domain verifies every
# signature with botocore, AWS's own signer; nobody reaches AWS from a test. The keys are those of AWS's own examples.

part_aws() {
    tell "installing the clients, with botocore" install_aws || return
    tell "starting a stand-in for a domain (nobody reaches AWS)" serve_aws || return
    tell "opensearch-py's signers, the stand-in" check_python aws test_aws.py
    tell "opensearch-js's signer, the stand-in" check_javascript aws.test.mjs
}
install_aws() { venv aws && javascript; }
serve_aws() {
    local domain
    start aws "$cache/venv-aws/bin/python" "$here/aws_standin.py"
    wait_for_url 20 aws "the stand-in for a domain" '^aws-standin ' || return 1
    domain=$url
    start_cohere aws-unsigned-cohere && start_rerankd aws-unsigned "$domain" "$url" 20s && export E2E_UNSIGNED=$url &&
        in_front_of aws "$domain" RERANKD_UPSTREAM__SIGN__SERVICE=es RERANKD_UPSTREAM__SIGN__REGION=eu-west-1 \
            AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY \
            AWS_SESSION_TOKEN=a-session-token/of+nobody== AWS_EC2_METADATA_DISABLED=true
}
