# Sourced: `mirror` prints the Debian mirror that this machine's own apt takes its packages from, or nothing.
# Of several sources the first whose path ends in "debian" is Debian itself; the others are security updates or somebody else's.
mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' |
        sed -n 's#^\(https\?://.*/debian\)/\?$#\1#p' | sed -n 1p
}
