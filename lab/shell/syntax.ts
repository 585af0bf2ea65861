/** The syntax tree of just-bash's parser, by the names used here; the package exports only some of its types. */
import type { CommandNode, SimpleCommandNode, WordNode } from 'just-bash';

export type {
  CommandNode,
  PipelineNode,
  ScriptNode,
  SimpleCommandNode,
  StatementNode,
  WordNode,
} from 'just-bash';

export type WordPart = WordNode['parts'][number];
export type Redirection = SimpleCommandNode['redirections'][number];
export type Assignment = SimpleCommandNode['assignments'][number];

type Kind<Node, Type extends string> = Extract<Node, { type: Type }>;

export type FunctionDefNode = Kind<CommandNode, 'FunctionDef'>;
export type IfNode = Kind<CommandNode, 'If'>;
export type ForNode = Kind<CommandNode, 'For'>;
export type CStyleForNode = Kind<CommandNode, 'CStyleFor'>;
export type WhileNode = Kind<CommandNode, 'While'>;
export type UntilNode = Kind<CommandNode, 'Until'>;
export type CaseNode = Kind<CommandNode, 'Case'>;
export type Condition = Kind<CommandNode, 'ConditionalCommand'>['expression'];
export type ParameterPart = Kind<WordPart, 'ParameterExpansion'>;
export type ParameterOperation = NonNullable<ParameterPart['operation']>;
export type ArithmeticNode = Kind<CommandNode, 'ArithmeticCommand'>['expression'];
export type Arithmetic = ArithmeticNode['expression'];
export type BraceItem = Kind<WordPart, 'BraceExpansion'>['items'][number];
