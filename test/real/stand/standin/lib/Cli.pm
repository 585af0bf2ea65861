# The rules by which Proxmox VE reads a command line: verb prefixes, permuted options, decoded and checked arguments.
package Cli;

use strict;
use warnings;
use Exporter 'import';
use Getopt::Long ();
use Node ();

our @EXPORT_OK = qw(fail);

# Ends with a message; 255 is what a Perl program dies with when errno does not say otherwise.
sub fail {
    my ($message, $rc) = @_;
    print STDERR "$message\n";
    exit($rc // 255);
}

# Ends with a message and the usage line of the verb.
sub refuse {
    my ($usage, $message) = @_;
    fail("$message\n$usage");
}

my $well_formed = qr/[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}/;

# What cannot be decoded by the locale becomes U+FFFD: under C every byte above 0x7f.
sub decoded {
    my ($bytes) = @_;
    my $keep = Node::locale_is_utf8() ? $well_formed : qr/[\x00-\x7f]/;
    $bytes =~ s/\G($keep)|(.)/defined($1) ? $1 : "\xef\xbf\xbd"/gse;
    return $bytes;
}

sub verb {
    my ($program, $verbs, $given) = @_;
    my @match = grep { $_ eq $given } @$verbs;
    @match = grep { index($_, $given) == 0 } @$verbs if !@match;
    return $match[0] if @match == 1;
    my $what = @match ? 'incomplete' : 'unknown';
    fail("ERROR: $what command '$program $given'\nUSAGE: $program <COMMAND> [ARGS] [OPTIONS]");
}

# Getopt::Long reports an unknown option itself, by a warning.
sub options {
    my ($usage, $spec) = @_;
    my (%option, @definition);
    push(@definition, $_ . ($spec->{$_} eq 'boolean' ? ':s' : '=s'), \$option{$_}) for keys %$spec;
    Getopt::Long::Configure('permute', 'no_auto_abbrev');
    Getopt::Long::GetOptions(@definition) or refuse($usage, '400 unable to parse option');
    delete $option{$_} for grep { !defined($option{$_}) } keys %option;
    for my $name (grep { defined($option{$_}) } keys %$spec) {
        $option{$name} = checked_boolean($usage, $option{$name}) if $spec->{$name} eq 'boolean';
        $option{$name} = checked_integer($usage, $name, $option{$name}) if $spec->{$name} eq 'integer';
    }
    return \%option;
}

sub checked_boolean {
    my ($usage, $value) = @_;
    return 1 if $value =~ /^(1|on|yes|true|)$/i;
    return 0 if $value =~ /^(0|off|no|false)$/i;
    refuse($usage, '400 unable to parse boolean option');
}

sub checked_integer {
    my ($usage, $name, $value) = @_;
    return $value if $value =~ /^[+-]?\d+$/;
    refuse($usage, "400 Parameter verification failed.\n$name: type check ('integer') failed - got '$value'");
}

# The `$` lets a trailing newline through, as it does in the original.
sub checked_vmid {
    my ($usage, $value) = @_;
    checked_integer($usage, 'vmid', $value);
    return $value if $value =~ /^[1-9][0-9]{2,8}$/;
    refuse($usage,
        "400 Parameter verification failed.\nvmid: invalid format - value does not look like a valid VM ID\n");
}

# Gives back verb, options and the arguments by name. `commands` maps a verb to { args, options, extra }.
sub parse {
    my ($program, $commands) = @_;
    @ARGV = map { decoded($_) } @ARGV;
    my $given = shift(@ARGV) // fail("ERROR: no command specified\nUSAGE: $program <COMMAND> [ARGS] [OPTIONS]");
    my $verb = verb($program, [sort keys %$commands], $given);
    my $command = $commands->{$verb};
    fail("the stand does not pretend '$program $verb'") if !$command->{run};
    my @names = @{ $command->{args} };
    my $usage = join(' ', $program, $verb, map({ "<$_>" } @names), $command->{extra} ? '[<extra-args>]' : ());
    $usage .= @names ? ' [OPTIONS]' : ' ';
    my $option = options($usage, $command->{options} // {});
    refuse($usage, '400 not enough arguments') if @ARGV < @names;
    refuse($usage, '400 too many arguments') if @ARGV > @names && !$command->{extra};
    my %argument = map { $_ => shift(@ARGV) } @names;
    checked_vmid($usage, $argument{vmid}) if defined($argument{vmid});
    return ($command, { %argument, %$option, extra => [@ARGV], usage => $usage });
}

1;
