# What the stand-ins know of their node: configuration files, which containers run, and the knobs of the stand.
package Node;

use strict;
use warnings;

sub name {
    open(my $fh, '<', '/etc/hostname') or return 'localhost';
    chomp(my $name = <$fh>);
    return $name;
}

# The part above the first [section] as a hash; the description is kept in the file's own encoding.
sub find_conf {
    my ($kind, $vmid) = @_;
    open(my $fh, '<', "/etc/pve/$kind/$vmid.conf") or return undef;
    my ($conf, $description) = ({}, '');
    while (my $line = <$fh>) {
        chomp $line;
        last if $line =~ /^\[/;
        if ($line =~ /^#(.*)/) { $description .= "$1%0A" }
        elsif ($line =~ /^([a-z][\w.]*):\s*(.*)$/) { $conf->{$1} = $2 }
    }
    $conf->{description} = $description if $description ne '';
    return $conf;
}

# The exit code 2 is ENOENT, left over from opening the file.
sub conf {
    my ($kind, $vmid, $rc) = @_;
    my $conf = find_conf($kind, $vmid);
    return $conf if $conf;
    print STDERR "Configuration file 'nodes/" . name() . "/$kind/$vmid.conf' does not exist\n";
    exit($rc // 2);
}

sub list_ids {
    my ($kind) = @_;
    return sort { $a <=> $b } map { m{/(\d+)\.conf$} ? $1 : () } glob("/etc/pve/$kind/*.conf");
}

sub pids {
    my ($vmid) = @_;
    open(my $fh, '<', "/run/lxc/$vmid") or return;
    my ($init, $monitor) = split(/ /, <$fh> // '');
    return defined($monitor) && -d "/proc/$init" ? ($init + 0, $monitor + 0) : ();
}

sub init_pid { (pids($_[0]))[0] }
sub monitor_pid { (pids($_[0]))[1] }
sub running { defined(init_pid($_[0])) }

# A knob is a file the stand writes; without it the value is nothing.
sub knob {
    my ($name) = @_;
    open(my $fh, '<', "/run/knobs/$name") or return undef;
    my $value = <$fh> // '';
    chomp $value;
    return $value;
}

sub pause_ms { select(undef, undef, undef, $_[0] / 1000) }

sub locale_is_utf8 {
    for my $name (qw(LC_ALL LC_CTYPE LANG)) {
        my $value = $ENV{$name} // '';
        return $value =~ /utf-?8/i if $value ne '';
    }
    return 0;
}

1;
