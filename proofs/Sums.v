(** The one rule of rounding: sums of multiples of a power of two are exact in every order.

    A way to add up numbers is a tree. A leaf is a product, rounded (the rounding of a product that is stored already changes
    nothing). A node adds two sums and rounds, or adds a product to a sum with one rounding, as fused multiply-add does. Trees over
    the same products in any arrangement are all orders and all bracketings. Numbers have t significant bits and are multiples of
    2^emin, the least subnormal number. Rounding is to nearest with ties as one likes, and indeed any rounding at all. Largeness is
    apart: no partial sum exceeds the sum of absolute values, which is to be held against the largest number.
*)
From Coq Require Import Reals List ZArith Lia Lra Permutation.
From Flocq Require Import Core.
Open Scope R_scope.

(** How numbers are added up. *)
Inductive sum : Type :=
  | Term (p : R)
  | Add (a b : sum)
  | Fused (a : sum) (p : R).

(** The products that a tree adds up. *)
Fixpoint terms (s : sum) : list R :=
  match s with
  | Term p => p :: nil
  | Add a b => terms a ++ terms b
  | Fused a p => terms a ++ p :: nil
  end.

(** What the processor computes, given how it rounds. *)
Fixpoint computed (rnd : R -> R) (s : sum) : R :=
  match s with
  | Term p => rnd p
  | Add a b => rnd (computed rnd a + computed rnd b)
  | Fused a p => rnd (computed rnd a + p)
  end.

(** The sums that are computed on the way, the last one included. *)
Inductive partial : sum -> sum -> Prop :=
  | partial_self s : partial s s
  | partial_left s a b : partial s a -> partial s (Add a b)
  | partial_right s a b : partial s b -> partial s (Add a b)
  | partial_fused s a p : partial s a -> partial s (Fused a p).

Fixpoint total (l : list R) : R :=
  match l with nil => 0 | x :: r => x + total r end.

(** The sum of absolute values. *)
Definition magnitude (l : list R) : R := total (map Rabs l).

Definition multiple (e : Z) (x : R) : Prop := exists k : Z, x = IZR k * bpow radix2 e.

(** Rounding to the numbers of t bits that are multiples of 2^emin; any choice of a neighbour. *)
Definition rounding (t emin : Z) (choice : R -> Z) : R -> R := round radix2 (FLT_exp emin t) choice.

Lemma total_app : forall a b, total (a ++ b) = total a + total b.
Proof. induction a as [|x a IH]; simpl; intros; [|rewrite IH]; ring. Qed.

Lemma magnitude_app : forall a b, magnitude (a ++ b) = magnitude a + magnitude b.
Proof. intros; unfold magnitude; rewrite map_app; apply total_app. Qed.

Lemma magnitude_pos : forall l, 0 <= magnitude l.
Proof. induction l as [|x l IH]; unfold magnitude in *; simpl; [lra|]. generalize (Rabs_pos x); lra. Qed.

Lemma total_le_magnitude : forall l, Rabs (total l) <= magnitude l.
Proof.
  induction l as [|x l IH]; unfold magnitude in *; simpl.
  - rewrite Rabs_R0; lra.
  - eapply Rle_trans; [apply Rabs_triang|]; lra.
Qed.

Lemma total_permutation : forall a b, Permutation a b -> total a = total b.
Proof. induction 1; simpl; lra. Qed.

Lemma magnitude_permutation : forall a b, Permutation a b -> magnitude a = magnitude b.
Proof. intros; unfold magnitude; apply total_permutation, Permutation_map; assumption. Qed.

Lemma multiple_add : forall e x y, multiple e x -> multiple e y -> multiple e (x + y).
Proof. intros e x y [k ->] [j ->]; exists (k + j)%Z; rewrite plus_IZR; ring. Qed.

Lemma multiple_total : forall e l, Forall (multiple e) l -> multiple e (total l).
Proof.
  induction 1; simpl.
  - exists 0%Z; simpl; ring.
  - apply multiple_add; assumption.
Qed.

(** A multiple of u = 2^e of at most u·2^t is a number with t bits, if u is not below the least subnormal. *)
Lemma multiple_is_representable :
  forall t emin e x, (0 < t)%Z -> (emin <= e)%Z -> multiple e x -> Rabs x <= bpow radix2 (e + t) ->
  generic_format radix2 (FLT_exp emin t) x.
Proof.
  intros t emin e x Ht He [k ->] H.
  assert (Hk : (Z.abs k <= 2 ^ t)%Z).
  { apply le_IZR. rewrite (IZR_Zpower radix2) by lia. rewrite abs_IZR.
    apply Rmult_le_reg_r with (bpow radix2 e); [apply bpow_gt_0|].
    rewrite <- bpow_plus, (Zplus_comm t e).
    rewrite Rabs_mult, (Rabs_pos_eq (bpow _ _)) in H by apply bpow_ge_0. exact H. }
  assert (Pt : Prec_gt_0 t) by exact Ht.
  destruct (Z.eq_dec (Z.abs k) (2 ^ t)) as [E|N].
  - assert (G : generic_format radix2 (FLT_exp emin t) (bpow radix2 (t + e))).
    { apply generic_format_bpow. unfold FLT_exp. lia. }
    rewrite bpow_plus in G. rewrite <- (IZR_Zpower radix2) in G by lia.
    change (radix_val radix2) with 2%Z in G.
    destruct (Zabs_spec k) as [[_ A]|[_ A]]; rewrite A in E.
    + rewrite E. exact G.
    + replace k with (- 2 ^ t)%Z by lia. rewrite opp_IZR, Ropp_mult_distr_l_reverse. apply generic_format_opp, G.
  - apply generic_format_FLT. exists (Float radix2 k e); simpl.
    + reflexivity.
    + change (Z.abs k < 2 ^ t)%Z. lia.
    + exact He.
Qed.

Lemma partial_terms : forall s a, partial s a -> exists l r, terms a = l ++ terms s ++ r.
Proof.
  induction 1 as [s|s a b _ (l & r & E)|s a b _ (l & r & E)|s a p _ (l & r & E)]; simpl.
  - exists nil, nil. now rewrite app_nil_r.
  - exists l, (r ++ terms b). rewrite E, <- !app_assoc. reflexivity.
  - exists (terms a ++ l), r. rewrite E, <- !app_assoc. reflexivity.
  - exists l, (r ++ p :: nil). rewrite E, <- !app_assoc. reflexivity.
Qed.

Lemma exact_tree :
  forall t emin e choice s, Valid_rnd choice -> (0 < t)%Z -> (emin <= e)%Z ->
  Forall (multiple e) (terms s) -> magnitude (terms s) <= bpow radix2 (e + t) ->
  computed (rounding t emin choice) s = total (terms s).
Proof.
  intros t emin e choice s V Ht He.
  assert (R : forall l, Forall (multiple e) l -> magnitude l <= bpow radix2 (e + t) ->
                        rounding t emin choice (total l) = total l).
  { intros l M B. apply round_generic; [exact V|].
    apply multiple_is_representable with e; auto using multiple_total.
    eapply Rle_trans; [apply total_le_magnitude|exact B]. }
  induction s as [p|a IHa b IHb|a IHa p]; intros M B.
  - generalize (R _ M B); simpl. now rewrite Rplus_0_r.
  - simpl terms in *. rewrite <- (R _ M B), total_app. simpl.
    apply Forall_app in M as [Ma Mb]. rewrite magnitude_app in B.
    generalize (magnitude_pos (terms a)) (magnitude_pos (terms b)); intros.
    rewrite IHa, IHb by (auto; lra). reflexivity.
  - simpl terms in *. rewrite <- (R _ M B), total_app. simpl.
    apply Forall_app in M as [Ma _]. rewrite magnitude_app in B.
    generalize (magnitude_pos (p :: nil)); intros.
    rewrite IHa by (auto; lra). now rewrite Rplus_0_r.
Qed.

(** The rule: if all products are multiples of u = 2^e, u not below the least subnormal, and their absolute values add up to at
    most u·2^t, then every partial sum, in every order and bracketing, fused or not, is exact, is no larger than the sum of
    absolute values, and is 0 or at least u (so with u a normal number nothing is flushed to zero). *)
Theorem sums_are_exact_in_every_order :
  forall (t emin e : Z) (choice : R -> Z) (products : list R) (order : sum),
  Valid_rnd choice -> (0 < t)%Z -> (emin <= e)%Z ->
  Forall (multiple e) products -> magnitude products <= bpow radix2 (e + t) ->
  Permutation (terms order) products ->
  computed (rounding t emin choice) order = total products /\
  forall part, partial part order ->
    computed (rounding t emin choice) part = total (terms part) /\
    Rabs (total (terms part)) <= magnitude products /\
    (total (terms part) = 0 \/ bpow radix2 e <= Rabs (total (terms part))).
Proof.
  intros t emin e choice products order V Ht He M B P.
  assert (M' : Forall (multiple e) (terms order)).
  { apply Forall_forall. intros x I. rewrite Forall_forall in M. apply M. eapply Permutation_in; eauto. }
  rewrite <- (magnitude_permutation _ _ P) in *.
  split.
  - rewrite <- (total_permutation _ _ P). apply exact_tree with e; assumption.
  - intros part Q. destruct (partial_terms _ _ Q) as (l & r & E).
    rewrite E, !magnitude_app in B. rewrite E in M'.
    apply Forall_app in M' as [_ M']. apply Forall_app in M' as [M' _].
    generalize (magnitude_pos l) (magnitude_pos r); intros.
    repeat split.
    + apply exact_tree with e; auto; lra.
    + rewrite E, !magnitude_app. generalize (total_le_magnitude (terms part)); lra.
    + destruct (multiple_total _ _ M') as [k ->]. destruct (Z.eq_dec k 0) as [->|N]; [left; ring|right].
      rewrite Rabs_mult, <- abs_IZR, (Rabs_pos_eq (bpow _ _)) by apply bpow_ge_0.
      rewrite <- (Rmult_1_l (bpow radix2 e)) at 1. apply Rmult_le_compat_r; [apply bpow_ge_0|].
      apply IZR_le. lia.
Qed.

(** The same said of rounding to nearest, ties broken as one likes. *)
Theorem sums_to_nearest_are_exact :
  forall (t emin e : Z) (ties : Z -> bool) (products : list R) (order : sum),
  (0 < t)%Z -> (emin <= e)%Z -> Forall (multiple e) products -> magnitude products <= bpow radix2 (e + t) ->
  Permutation (terms order) products -> computed (rounding t emin (Znearest ties)) order = total products.
Proof. intros. eapply sums_are_exact_in_every_order; eauto with typeclass_instances. Qed.

(** Two products alone: nothing is asked but that they and their sum are numbers. *)
Theorem two_products_are_exact :
  forall (t emin : Z) (choice : R -> Z) (x y : R) (order : sum),
  Valid_rnd choice ->
  generic_format radix2 (FLT_exp emin t) x -> generic_format radix2 (FLT_exp emin t) y ->
  generic_format radix2 (FLT_exp emin t) (x + y) ->
  Permutation (terms order) (x :: y :: nil) -> computed (rounding t emin choice) order = x + y.
Proof.
  intros t emin choice x y order V X Y S P.
  assert (S' : generic_format radix2 (FLT_exp emin t) (y + x)) by (rewrite Rplus_comm; exact S).
  assert (N : forall s, terms s <> nil).
  { induction s; simpl; try discriminate; intros E; apply app_eq_nil in E; intuition congruence. }
  assert (L : forall s z, terms s = z :: nil -> computed (rounding t emin choice) s = rounding t emin choice z).
  { intros [p|a b|a p] z E; simpl in E.
    - injection E as <-. reflexivity.
    - apply app_eq_unit in E as [[E _]|[_ E]]; now apply N in E.
    - apply app_eq_unit in E as [[E _]|[_ E]]; [now apply N in E|discriminate]. }
  assert (F : forall z, generic_format radix2 (FLT_exp emin t) z -> rounding t emin choice z = z).
  { intros z G. apply round_generic; assumption. }
  assert (Q : terms order = x :: y :: nil \/ terms order = y :: x :: nil).
  { apply Permutation_sym, Permutation_length_2_inv in P. tauto. }
  destruct order as [p|a b|a p]; simpl in Q.
  - destruct Q; discriminate.
  - assert (A : forall u v, terms a ++ terms b = u :: v :: nil -> terms a = u :: nil /\ terms b = v :: nil).
    { intros u v E. generalize (N a) (N b). destruct (terms a) as [|c [|d l]], (terms b) as [|f r]; try congruence.
      - simpl in E. intros _ _. injection E as -> -> ->. auto.
      - exfalso. simpl in E. injection E as _ _ E. destruct l; discriminate. }
    destruct Q as [Q|Q]; apply A in Q as [Qa Qb]; simpl; rewrite (L _ _ Qa), (L _ _ Qb), (F x X), (F y Y), F by assumption; ring.
  - assert (A : forall u v, terms a ++ p :: nil = u :: v :: nil -> terms a = u :: nil /\ p = v).
    { intros u v E. destruct (terms a) as [|? [|? [|? ?]]]; try discriminate. injection E as -> ->. auto. }
    destruct Q as [Q|Q]; apply A in Q as [Qa ->]; simpl; rewrite (L _ _ Qa), ?(F x X), ?(F y Y), F by assumption; ring.
Qed.
