(** Totals, the softmax's denominator: BOS weighs 1 and everything else so little that the sum is 1, in any order.

    The other weights that are not 0 are at most b = k·2^e, and at most M of them. M·b < 2^-t, half a step of the number 1, so 1 + y rounds
    to 1 for every y that they can add up to; and with M·k <= 2^t no partial sum of n of them rounds beyond n·b. With k in 8..16 there is
    such a b between the greatest weight and 9/8 of it.
*)
From Coq Require Import Reals List ZArith Lia Lra Psatz Permutation.
From Flocq Require Import Core.
From Headwork Require Import Sums Errors.
Open Scope R_scope.

Section sums.
Context (t emin e : Z) (ties : Z -> bool) (M k : nat).
Notation rnd := (rounding t emin (Znearest ties)).
Notation u := (bpow radix2 e).
Context (Ht : (1 < t)%Z) (H1 : (emin <= 1 - t)%Z) (He : (emin <= e)%Z) (Hk : INR M * INR k <= bpow radix2 t)
        (HM : INR M * (INR k * u) < bpow radix2 (- t)).

Lemma rounds_below : forall n x, (n <= M)%nat -> 0 <= x <= INR n * (INR k * u) -> 0 <= rnd x <= INR n * (INR k * u).
Proof.
  intros n x N [L U]. assert (V : Valid_exp (FLT_exp emin t)) by (apply FLT_exp_valid; unfold Prec_gt_0; lia).
  assert (NM : INR n <= INR M) by (apply le_INR; exact N).
  assert (K0 : 0 <= INR k) by apply pos_INR. assert (N0 : 0 <= INR n) by apply pos_INR. assert (U0 : 0 < u) by apply bpow_gt_0.
  split.
  - apply round_ge_generic; auto with typeclass_instances. apply generic_format_0.
  - apply round_le_generic; auto with typeclass_instances. apply multiple_is_representable with e; try lia.
    + exists (Z.of_nat (n * k)). rewrite <- INR_IZR_INZ, mult_INR. ring.
    + rewrite Rabs_pos_eq by (repeat apply Rmult_le_pos; lra). rewrite bpow_plus.
      assert (INR n * INR k <= bpow radix2 t) by (eapply Rle_trans; [apply Rmult_le_compat_r; [exact K0|exact NM]|exact Hk]).
      rewrite <- Rmult_assoc, Rmult_comm. apply Rmult_le_compat_l; lra.
Qed.

Lemma small_sum : forall s, Forall (fun p => 0 <= p <= INR k * u) (terms s) -> (nonzero (terms s) <= M)%nat ->
  0 <= computed rnd s <= INR (nonzero (terms s)) * (INR k * u).
Proof.
  assert (Z : forall p, 0 <= p <= INR k * u -> 0 <= p <= INR (nonzero (p :: nil)) * (INR k * u)).
  { intros p H. unfold nonzero. simpl. destruct (Req_EM_T p 0); simpl; lra. }
  induction s as [p|a IHa b IHb|a IHa p]; simpl; intros F N.
  - inversion F. apply rounds_below; auto.
  - rewrite nonzero_app in *. apply Forall_app in F as [Fa Fb]. specialize (IHa Fa ltac:(lia)). specialize (IHb Fb ltac:(lia)).
    apply rounds_below; [exact N|]. rewrite plus_INR. lra.
  - rewrite nonzero_app in *. apply Forall_app in F as [Fa Fp]. specialize (IHa Fa ltac:(lia)).
    inversion Fp as [|? ? Hp _]; subst. specialize (Z p Hp). apply rounds_below; [exact N|]. rewrite plus_INR. lra.
Qed.

Lemma rounds_to_one : forall y, 0 <= y < bpow radix2 (- t) -> rnd (1 + y) = 1.
Proof.
  intros y [L U]. assert (B : bpow radix2 (- t) <= 1) by (change 1 with (bpow radix2 0); apply bpow_le; lia).
  unfold rounding, round, F2R, scaled_mantissa. simpl Defs.Fnum. simpl Defs.Fexp.
  assert (E : cexp radix2 (FLT_exp emin t) (1 + y) = (1 - t)%Z).
  { unfold cexp. rewrite (mag_unique_pos radix2 (1 + y) 1).
    - unfold FLT_exp. lia.
    - change (bpow radix2 (1 - 1)) with 1. change (bpow radix2 1) with 2.
      assert (bpow radix2 (- t) < 1) by (change 1 with (bpow radix2 0); apply bpow_lt; lia). lra. }
  rewrite E. rewrite (Znearest_imp ties _ (2 ^ (t - 1))).
  - change 2%Z with (radix_val radix2). rewrite (IZR_Zpower radix2) by lia. rewrite <- bpow_plus.
    replace (t - 1 + (1 - t))%Z with 0%Z by ring. reflexivity.
  - change 2%Z with (radix_val radix2). rewrite (IZR_Zpower radix2) by lia.
    replace (- (1 - t))%Z with (t - 1)%Z by ring.
    replace ((1 + y) * bpow radix2 (t - 1) - bpow radix2 (t - 1)) with (y * bpow radix2 (t - 1)) by ring.
    assert (P : 0 < bpow radix2 (t - 1)) by apply bpow_gt_0.
    rewrite Rabs_pos_eq by (apply Rmult_le_pos; lra).
    assert (HF : bpow radix2 (- t) * bpow radix2 (t - 1) = / 2).
    { rewrite <- bpow_plus. replace (- t + (t - 1))%Z with (-1)%Z by ring. reflexivity. }
    change (/ IZR radix2) with (/ 2). rewrite <- HF. apply Rmult_lt_compat_r; assumption.
Qed.

Lemma sum_with_one : forall s l r, terms s = l ++ 1 :: r -> Forall (fun p => 0 <= p <= INR k * u) (l ++ r) ->
  (nonzero (l ++ r) <= M)%nat -> computed rnd s = 1.
Proof.
  assert (SM : forall a l, (exists r, Permutation (terms a ++ r) l) -> Forall (fun p => 0 <= p <= INR k * u) l -> (nonzero l <= M)%nat ->
               0 <= computed rnd a < bpow radix2 (- t)).
  { intros a l [r P] F N. rewrite <- (nonzero_permutation _ _ P), nonzero_app in N.
    assert (Fa : Forall (fun p => 0 <= p <= INR k * u) (terms a)).
    { apply Forall_forall. intros x I. rewrite Forall_forall in F. apply F, (Permutation_in _ P), in_or_app. now left. }
    destruct (small_sum a Fa ltac:(lia)) as [A B]. split; [exact A|]. eapply Rle_lt_trans; [exact B|].
    eapply Rle_lt_trans; [|exact HM]. apply Rmult_le_compat_r.
    - apply Rmult_le_pos; [apply pos_INR|apply bpow_ge_0].
    - apply le_INR. lia. }
  induction s as [p|a IHa b IHb|a IHa p]; simpl; intros l r E F N.
  - destruct l as [|x [|? ?]]; try discriminate. injection E as -> _.
    rewrite <- (Rplus_0_r 1) at 1. apply rounds_to_one. split; [lra|apply bpow_gt_0].
  - apply app_eq_app in E as (m & [[A B]|[A B]]).
    + destruct m as [|x m].
      * rewrite app_nil_r in A. simpl in B. subst l. rewrite (IHb nil r).
        -- rewrite Rplus_comm. apply rounds_to_one, SM with (terms a ++ r); eauto.
        -- rewrite <- B. reflexivity.
        -- apply Forall_app in F as [_ F]. exact F.
        -- rewrite nonzero_app in N. simpl. lia.
      * injection B as <- B. subst r. rewrite (IHa l m A).
        -- apply rounds_to_one, SM with (l ++ m ++ terms b); auto. exists (l ++ m). rewrite (app_assoc l m). apply Permutation_app_comm.
        -- rewrite app_assoc in F. apply Forall_app in F as [F _]. exact F.
        -- rewrite app_assoc, nonzero_app in N. lia.
    + subst l. rewrite (IHb m r B).
      * rewrite Rplus_comm. apply rounds_to_one, SM with ((terms a ++ m) ++ r); auto. exists (m ++ r). now rewrite app_assoc.
      * rewrite <- app_assoc in F. apply Forall_app in F as [_ F]. exact F.
      * rewrite <- app_assoc, nonzero_app in N. lia.
  - apply app_eq_app in E as (m & [[A B]|[A B]]).
    + destruct m as [|x m].
      * rewrite app_nil_r in A. simpl in B. injection B as <- ->. subst l. rewrite Rplus_comm.
        apply rounds_to_one, SM with (terms a ++ nil); eauto.
      * injection B as <- B. subst r. rewrite (IHa l m A).
        -- apply rounds_to_one. rewrite app_assoc in F, N. apply Forall_app in F as [_ F]. inversion F as [|? ? Fp _]; subst.
           split; [lra|]. rewrite nonzero_app in N. unfold nonzero at 2 in N. simpl in N. destruct (Req_EM_T p 0) as [->|Q]; [apply bpow_gt_0|].
           simpl in N. eapply Rle_lt_trans; [|exact HM]. assert (1 <= INR M) by (apply (le_INR 1); lia).
           rewrite <- (Rmult_1_l p). apply Rmult_le_compat; lra.
        -- rewrite app_assoc in F. apply Forall_app in F as [F _]. exact F.
        -- rewrite app_assoc, nonzero_app in N. lia.
    + destruct m as [|x [|y m]]; try discriminate. rewrite app_nil_r in A. simpl in B. injection B as -> <-. subst l. rewrite Rplus_comm.
      apply rounds_to_one, SM with (terms a ++ nil); eauto.
Qed.
End sums.

(** BOS's weight 1 and at most M others, each at most b = k·2^e, add up to exactly 1 in every order. *)
Theorem denominator_is_one :
  forall (t emin e : Z) (ties : Z -> bool) (M k : nat) (weights : list R) (order : sum),
  let b := INR k * bpow radix2 e in
  (1 < t)%Z -> (emin <= 1 - t)%Z -> (emin <= e)%Z -> INR M * INR k <= bpow radix2 t -> INR M * b < bpow radix2 (- t) ->
  (length weights <= M)%nat -> Forall (fun p => 0 <= p <= b) weights ->
  forall zeros, Forall (fun p => p = 0) zeros -> Permutation (terms order) (1 :: weights ++ zeros) ->
  computed (rounding t emin (Znearest ties)) order = 1.
Proof.
  intros t emin e ties M k weights order b Ht H1 He Hk HM L F zeros Z P.
  assert (I : In 1 (terms order)) by (eapply Permutation_in; [apply Permutation_sym, P|left; reflexivity]).
  apply in_split in I as (l & r & E). rewrite E in P.
  apply Permutation_sym, Permutation_cons_app_inv, Permutation_sym in P.
  apply (sum_with_one t emin e ties M k Ht H1 He Hk HM order l r E).
  - apply Forall_forall. intros p I. apply (Permutation_in _ P) in I. apply in_app_or in I as [I|I].
    + rewrite Forall_forall in F. apply F, I.
    + rewrite Forall_forall in Z. rewrite (Z _ I). split; [lra|]. apply Rmult_le_pos; [apply pos_INR|apply bpow_ge_0].
  - rewrite (nonzero_permutation _ _ P), nonzero_app, (nonzero_zeros _ Z). generalize (nonzero_le_length weights). lia.
Qed.
