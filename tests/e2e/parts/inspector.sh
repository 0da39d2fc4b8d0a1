# The inspector's page in Chromium, which is real, before rerankd's demo database and a stand-in for Cohere; and how it and
# the report of `rerankd calibrate` look in four windows, light and dark.
#
#   E2E_PICTURES     a folder for pictures of all that is looked at, which is made where it is missing
#   E2E_SCREENSHOT   where to write the picture of the page; docs/images/inspector.png is made this way:
#                    E2E_SCREENSHOT=$PWD/docs/images/inspector.png tests/e2e/run inspector

part_inspector() {
    tell "installing Chromium and Selenium" install_inspector || return
    tell "starting rerankd before its demo database" serve_inspector || return
    tell "the inspector's page, Chromium (real)" check_python inspector test_inspector.py
    tell "how inspector and report look, Chromium (real)" check_python inspector test_looks.py
}

install_inspector() {
    venv inspector || return
    command -v chromium >/dev/null && command -v chromedriver >/dev/null || make_chromium >"$cache/chromium.log" 2>&1
    need chromium chromedriver && chromium --version
}

make_chromium() { # of the machine, not of this checkout
    [[ $(id -u) == 0 ]] && apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium chromium-driver
}

# One that keeps text, one at its default, which keeps none, one for the picture, where nothing else happens,
# and one whose database is not there.
serve_inspector() {
    serve_demo && start_cohere inspector-cohere || return
    local cohere=$url
    # The stand-in's scores are taken for probabilities as they are.
    start_rerankd inspector-rerankd "$E2E_DEMO_DATABASE" "$cohere" 20s RERANKD_INSPECTOR__CAPTURE=text \
        RERANKD_RERANK__CONFIDENCE__MODEL=rerank-v3.5 RERANKD_RERANK__CONFIDENCE__SLOPE=1 \
        RERANKD_RERANK__CONFIDENCE__INTERCEPT=0 RERANKD_RERANK__CONFIDENCE__LEAST=0.01 \
        RERANKD_RERANK__ON_NOTHING_RELEVANT=header || return
    export E2E_INSPECTED=$url E2E_INSPECTOR=$admin_url
    start_rerankd inspector-scores "$E2E_DEMO_DATABASE" "$cohere" 20s || return
    export E2E_INSPECTED_SCORES=$url E2E_INSPECTOR_SCORES=$admin_url
    start_rerankd inspector-picture "$E2E_DEMO_DATABASE" "$cohere" 20s RERANKD_INSPECTOR__CAPTURE=text || return
    export E2E_INSPECTED_PICTURE=$url E2E_INSPECTOR_PICTURE=$admin_url
    start_rerankd inspector-down "http://127.0.0.1:$(free_ports 1)" "$cohere" 20s RERANKD_INSPECTOR__CAPTURE=text || return
    export E2E_INSPECTED_DOWN=$url E2E_INSPECTOR_DOWN=$admin_url E2E_RERANKD=$rerankd
    [[ -z ${E2E_PICTURES:-} ]] || mkdir -p "$E2E_PICTURES" || return
    export E2E_BROWSER_DATA=$work/browser E2E_SCREENSHOT=${E2E_SCREENSHOT:-$work/inspector.png}
}
